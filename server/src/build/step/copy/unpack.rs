//! Archives that ADD unpacks.

use std::io::{self, Write};

use sandlot_runtime::archive::reader::Reader;
use sandlot_runtime::archive::{copy_member, end_archive};

use super::put::Put;
use crate::build::chmod::Mode;
use crate::build::error::{Error, Result};
use crate::build::files::Files;
use crate::build::machine::BuildMachine;
use crate::build::select::Source;

impl Put {
    /// ADD unpacks an archive instead of copying it; whether it was one.
    pub(super) fn unpack_archive(
        &self,
        machine: &mut BuildMachine<'_>,
        files: &Files,
        source: &Source,
    ) -> Result<bool> {
        let Some(entry) = files.get(&source.path) else { return Ok(false) };
        let content = files.open(entry).map_err(Error::io("read the context"))?;
        self.unpack(machine, content)
    }

    /// Unpacks a stream, if it is an archive; whether it was one.
    pub(super) fn unpack(
        &self,
        machine: &mut BuildMachine<'_>,
        content: impl io::Read + Send,
    ) -> Result<bool> {
        let Some(mut tar) = sandlot_runtime::image::open_tar(content)? else { return Ok(false) };
        let (owner, chmod) = (self.owner, self.chmod.clone());
        machine.extract(&self.destination, false, move |out| match owner {
            None if chmod.is_none() => io::copy(&mut tar, out).map(drop),
            owner => rewrite(&mut tar, out, owner, chmod.as_ref()),
        })?;
        Ok(true)
    }
}

/// An archive with other owners or permissions.
fn rewrite(
    tar: &mut dyn io::Read,
    out: &mut dyn Write,
    owner: Option<(u64, u64)>,
    chmod: Option<&Mode>,
) -> io::Result<()> {
    let mut archive = Reader::new(tar);
    while let Some(mut member) = archive.next_member()? {
        (member.uid, member.gid) = owner.unwrap_or((member.uid, member.gid));
        if let Some(chmod) = chmod.filter(|_| !member.kind.is_symlink()) {
            member.mode = chmod.apply(member.mode, member.kind.is_dir());
        }
        copy_member(&member, &mut archive, out)?;
    }
    end_archive(out)
}
