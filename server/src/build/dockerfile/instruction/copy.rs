//! COPY and ADD.

use crate::build::dockerfile::flags::Flags;
use crate::build::dockerfile::source::{Heredoc, Statement, heredoc_of};
use crate::build::dockerfile::words::{exec_form, raw_words};
use crate::build::dockerfile::{Error, Result};

/// Files to copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// Paths or patterns, and for ADD URLs.
    pub sources: Vec<String>,
    /// Files whose content stands in the Dockerfile.
    pub heredocs: Vec<Heredoc>,
    /// Where to; a folder if it ends with a slash.
    pub destination: String,
    /// Stage or image instead of the context.
    pub from: Option<String>,
    /// `user[:group]`.
    pub chown: Option<String>,
    /// Octal or symbolic permissions.
    pub chmod: Option<String>,
    /// The layer does not depend on those below.
    pub link: bool,
    /// The folders above a source are made too.
    pub parents: bool,
    /// Patterns of what is left out.
    pub excludes: Vec<String>,
    /// Digest of what a URL must give.
    pub checksum: Option<String>,
    /// ADD: whether archives are unpacked; `None` is local ones only.
    pub unpack: Option<bool>,
}

impl Copy {
    pub(super) fn parse(rest: &str, flags: &mut Flags, statement: &Statement, escape: char) -> Result<Self> {
        let (line, keyword) = (statement.line, statement.keyword.as_str());
        let mut words = exec_form(rest).unwrap_or_else(|| raw_words(rest, escape));
        let destination = words.pop().filter(|_| !words.is_empty()).ok_or_else(|| {
            Error::at(line, format!("{keyword} needs at least one source and a destination"))
        })?;
        let is_document =
            |word: &String| !statement.heredocs.is_empty() && heredoc_of(word, escape).is_some();
        words.retain(|word| !is_document(word));
        let is_copy = keyword == "COPY";
        let copy = Self {
            sources: words,
            heredocs: statement.heredocs.clone(),
            destination,
            from: if is_copy { flags.value("from")? } else { None },
            chown: flags.value("chown")?,
            chmod: flags.value("chmod")?,
            link: flags.switch("link")?,
            parents: is_copy && flags.switch("parents")?,
            excludes: flags.values("exclude")?,
            checksum: if is_copy { None } else { flags.value("checksum")? },
            unpack: if is_copy { None } else { unpack(flags)? },
        };
        if copy.sources.len() + copy.heredocs.len() > 1 && !copy.destination.ends_with(['/', '.', '"', '\''])
        {
            let cause = format!("{keyword} with several sources needs a destination that ends with a slash");
            return Err(Error::at(line, cause));
        }
        if copy.from.is_some() && !copy.heredocs.is_empty() {
            return Err(Error::at(line, "COPY --from cannot copy a heredoc"));
        }
        Ok(copy)
    }
}

fn unpack(flags: &mut Flags) -> Result<Option<bool>> {
    // A repository is never fetched, so there is no folder of git's to keep.
    flags.switch("keep-git-dir")?;
    let given = flags.clone().value("unpack").is_ok_and(|value| value.is_none());
    let on = flags.switch("unpack")?;
    Ok(if given && !on { None } else { Some(on) })
}
