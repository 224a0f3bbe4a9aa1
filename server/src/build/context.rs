//! The context of a build: the files that COPY and ADD may take, and the Dockerfile.

use std::fs::File;
use std::io::{Read, Seek};

use sandlot_runtime::image::{Algorithm, Digest, Hasher, Store, open_tar};

use super::error::{Error, Result};
use super::files::Files;
use super::ignore::Ignore;
use super::select::{self, Source};

/// Files that a build gets.
#[derive(Debug)]
pub struct Context {
    pub(super) files: Files,
}

impl Context {
    /// Takes a tar, which may be compressed, from its beginning or as far as a pipe gives.
    ///
    /// # Errors
    /// When it is no tar, or too large.
    pub fn from_tar(store: &Store, tar: File) -> Result<Self> {
        let tar = store.spool_tar(tar)?;
        Ok(Self { files: Files::read(tar).map_err(Error::io("read the context"))? })
    }

    /// Takes what `docker build -` takes: a tar, or the text of a Dockerfile alone, which then has no files.
    ///
    /// # Errors
    /// As for [`Self::from_tar`], and when a text is longer than `limit` bytes.
    pub fn from_stream(store: &Store, stream: File, limit: usize) -> Result<(Self, Option<Vec<u8>>)> {
        let failed = || Error::io("read the context");
        let mut spooled = store.spool_tar(stream)?;
        let is_tar = open_tar(&spooled)?.is_some();
        spooled.rewind().map_err(failed())?;
        if is_tar {
            return Ok((Self { files: Files::read(spooled).map_err(failed())? }, None));
        }
        let mut text = Vec::new();
        (&mut spooled).take(limit as u64 + 1).read_to_end(&mut text).map_err(failed())?;
        if text.len() > limit {
            return Err(Error::Request("standard input is neither a tar nor a Dockerfile".to_owned()));
        }
        Ok((Self { files: Files::empty() }, Some(text)))
    }

    /// A file of the context, if it is there.
    ///
    /// # Errors
    /// When it is longer than `limit` bytes or cannot be read.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let path = self.files.resolve(path.as_bytes());
        let Some(entry) = path.and_then(|path| self.files.get(&path)) else { return Ok(None) };
        if self.files.file(entry).is_none() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read =
            self.files.open(entry).and_then(|content| content.take(limit as u64 + 1).read_to_end(&mut bytes));
        read.map_err(Error::io("read the context"))?;
        if bytes.len() > limit {
            return Err(Error::Request(format!("a file of the context is longer than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Leaves out what `.dockerignore` says; one beside the Dockerfile counts before that of the context.
    ///
    /// # Errors
    /// When a rule is wrong.
    pub fn ignore(&mut self, dockerfile: &str) -> Result<()> {
        const LIMIT: usize = 1 << 20;
        let own = self.read(&format!("{dockerfile}.dockerignore"), LIMIT)?;
        let rules = match own {
            Some(rules) => Some(rules),
            None => self.read(".dockerignore", LIMIT)?,
        };
        let Some(rules) = rules else { return Ok(()) };
        let ignore = Ignore::parse(&String::from_utf8_lossy(&rules))
            .map_err(|cause| Error::Request(format!(".dockerignore: {cause}")))?;
        self.files.retain(|path| !ignore.excludes(&String::from_utf8_lossy(path)));
        Ok(())
    }

    /// The digest of all of it, as the key of a step that sees all of it.
    pub(super) fn digest(&self) -> std::io::Result<Digest> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        select::hash(&self.files, &Source::everything(), &Ignore::default(), false, &mut hasher)?;
        Ok(hasher.finish())
    }
}
