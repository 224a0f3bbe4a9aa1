//! An instruction's words, with variables replaced.

use crate::build::chmod::Mode;
use crate::build::dockerfile::expand;
use crate::build::dockerfile::instruction::Copy;
use crate::build::error::{Error, Result};
use crate::build::ignore::Ignore;
use crate::build::stage::StageRun;

/// An instruction with its variables replaced.
pub(super) struct Words {
    pub(super) sources: Vec<String>,
    pub(super) destination: String,
    pub(super) from: Option<String>,
    pub(super) chown: Option<String>,
    pub(super) chmod: Option<Mode>,
    pub(super) chmod_text: String,
    pub(super) leaves_out: Ignore,
    pub(super) documents: Vec<(String, String)>,
    pub(super) urls: Vec<String>,
    /// Sources keep the folders that they are in.
    pub(super) parents: bool,
}

impl Words {
    pub(super) fn replace(stage: &StageRun<'_>, copy: &Copy, is_add: bool, line: usize) -> Result<Self> {
        let escape = stage.shared.request.dockerfile.escape;
        let all = copy.sources.iter().map(|source| stage.expand(source, line)).collect::<Result<Vec<_>>>()?;
        let is_url = |text: &String| is_add && (text.starts_with("http://") || text.starts_with("https://"));
        let (urls, sources): (Vec<String>, Vec<String>) = all.into_iter().partition(is_url);
        if urls.is_empty() && copy.checksum.is_some() {
            return Err(Error::at(line, "ADD --checksum is for URLs"));
        }
        let excludes =
            copy.excludes.iter().map(|pattern| stage.expand(pattern, line)).collect::<Result<Vec<_>>>()?;
        let documents = copy.heredocs.iter().map(|document| {
            let text = match document.expands {
                true => expand::document(&document.content, escape, &stage.scope)
                    .map_err(|c| Error::at(line, c))?,
                false => document.content.clone(),
            };
            Ok((document.name.clone(), text))
        });
        let chmod_text = copy.chmod.as_ref().map(|text| stage.expand(text, line)).transpose()?;
        Ok(Self {
            sources,
            urls,
            parents: copy.parents,
            destination: stage.expand(&copy.destination, line)?,
            from: copy.from.as_ref().map(|from| stage.expand(from, line)).transpose()?,
            chown: copy.chown.as_ref().map(|chown| stage.expand(chown, line)).transpose()?,
            chmod: chmod_text
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|cause: String| Error::at(line, cause))?,
            chmod_text: chmod_text.unwrap_or_default(),
            leaves_out: Ignore::parse(&excludes.join("\n")).map_err(|cause| Error::at(line, cause))?,
            documents: documents.collect::<Result<_>>()?,
        })
    }
}
