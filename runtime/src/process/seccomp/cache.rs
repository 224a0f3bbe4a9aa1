//! Compiled filters on the disk, each under the digest of all that it depends on.
//!
//! Whoever can write here decides what containers may do: only a folder and files of the own user are believed, and
//! only what reads back whole. Everything else counts as absent, and a cache that cannot be used costs time, never a
//! container.

mod folder;

use std::io;
use std::path::Path;

use libseccomp::ScmpVersion;
use oci_spec::runtime::LinuxSeccomp;
use sha2::{Digest, Sha256};

use self::folder::Folder;
use super::{CompileError, Filter, bytes, instructions};
use crate::sys::seccomp::Instruction;

/// Raised with every change of what a profile compiles to.
const FORM: u32 = 1;
const DIGEST: usize = 32;

/// The filter of a profile: the one kept in `folder`, else compiled now and kept. The folder is made if it is missing
/// (its parent has to be there); the least recently written files go when there are too many.
///
/// # Errors
/// As [`Filter::compile`]; never for a reason of the cache.
pub fn compile(folder: &Path, profile: &LinuxSeccomp) -> Result<Filter, CompileError> {
    Filter::of(profile, |profile| {
        let Some((entry, folder)) = Entry::of(profile).zip(Folder::open(folder).ok()) else {
            return instructions(profile);
        };
        if let Ok(kept) = entry.read(&folder) {
            return Ok(kept);
        }
        let compiled = instructions(profile)?;
        // What is not kept is compiled again by the next start.
        drop(folder.write(&entry.name(), &entry.pack(&compiled)));
        Ok(compiled)
    })
}

/// Where a profile's filter is kept, and how.
struct Entry {
    key: [u8; DIGEST],
}

impl Entry {
    fn of(profile: &LinuxSeccomp) -> Option<Self> {
        let version = ScmpVersion::current().ok()?;
        let ground = [FORM, version.major, version.minor, version.micro, libseccomp::get_api()];
        let mut digest = Sha256::new();
        ground.iter().for_each(|number| digest.update(number.to_ne_bytes()));
        digest.update(concat!(env!("CARGO_PKG_VERSION"), "\n"));
        digest.update(std::env::consts::ARCH);
        digest.update(serde_json::to_vec(profile).ok()?);
        Some(Self { key: digest.finalize().into() })
    }

    fn name(&self) -> String {
        self.key.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(&self, folder: &Folder) -> io::Result<Vec<Instruction>> {
        self.unpack(&folder.read(&self.name())?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn pack(&self, instructions: &[Instruction]) -> Vec<u8> {
        let mut file = bytes::encode(instructions);
        file.extend(self.seal(&file));
        file
    }

    fn unpack(&self, file: &[u8]) -> Option<Vec<Instruction>> {
        let (content, seal) = file.split_last_chunk::<DIGEST>()?;
        let (chunks, rest) = content.as_chunks();
        let whole = !chunks.is_empty() && rest.is_empty() && *seal == self.seal(content);
        whole.then(|| bytes::decode(chunks))
    }

    /// The key is in it, so that no file passes under another's name.
    fn seal(&self, content: &[u8]) -> [u8; DIGEST] {
        Sha256::new().chain_update(self.key).chain_update(content).finalize().into()
    }
}

#[cfg(test)]
mod tests;
