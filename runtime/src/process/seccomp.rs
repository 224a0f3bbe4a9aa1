//! System call filters: compiled once from a profile, loaded by every process of the container.
//!
//! libseccomp takes tens of milliseconds for Docker's profile, so the supervisor compiles at its start and hands the
//! result to the workers that it forks.

mod calls;
mod newer;
mod profile;
mod serve;
mod translate;

use std::fs::File;
use std::io::{self, Read, Seek};

use libseccomp::ScmpFilterContext;
use libseccomp::error::SeccompError;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::LinuxSeccomp;

use crate::failure::{Failure, during};
use crate::sys::seccomp::{self, Instruction};

pub use profile::docker_default;
pub use serve::serve;

/// Why a profile did not compile.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The profile says something that a filter cannot.
    #[error("compile a system call filter: {0} is not supported")]
    Unsupported(String),
    /// libseccomp refused.
    #[error("compile a system call filter")]
    Refused(#[from] SeccompError),
    /// The compiled form did not get through the kernel.
    #[error("export a system call filter")]
    Export(#[from] io::Error),
}

/// A compiled filter.
#[derive(Debug, Clone)]
pub struct Filter {
    profile: LinuxSeccomp,
    instructions: Vec<Instruction>,
}

impl Filter {
    /// Compiles a profile.
    ///
    /// # Errors
    /// When the profile cannot be a filter, or libseccomp refuses.
    pub fn compile(profile: &LinuxSeccomp) -> Result<Self, CompileError> {
        let context = translate::context(profile)?;
        let mut instructions = newer::prefix(profile);
        instructions.extend(export(&context)?);
        Ok(Self { profile: profile.clone(), instructions })
    }

    /// Whether it was compiled from this profile.
    pub fn is_of(&self, profile: &LinuxSeccomp) -> bool {
        self.profile == *profile
    }

    /// How many instructions it has.
    pub fn length(&self) -> usize {
        self.instructions.len()
    }
}

fn export(context: &ScmpFilterContext) -> Result<Vec<Instruction>, CompileError> {
    let memory = memfd_create(c"seccomp", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?;
    context.export_bpf(&memory)?;
    let mut file = File::from(memory);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok().map(decode)).collect())
}

fn decode([c0, c1, skip_if_true, skip_if_false, k0, k1, k2, k3]: [u8; 8]) -> Instruction {
    Instruction {
        code: u16::from_ne_bytes([c0, c1]),
        skip_if_true,
        skip_if_false,
        operand: u32::from_ne_bytes([k0, k1, k2, k3]),
    }
}

/// Loads the filter that a plan asks for: `ready` where it was compiled from the plan's profile, else one compiled now.
/// A plan without a profile loads none. Needs CAP_SYS_ADMIN in the own user namespace, or no_new_privs.
///
/// # Errors
/// With what failed; a filter that is asked for and cannot be loaded is always an error.
pub fn load(wanted: Option<&LinuxSeccomp>, ready: Option<&Filter>) -> Result<(), Failure> {
    let Some(profile) = wanted else { return Ok(()) };
    let load =
        |filter: &Filter| seccomp::load(&filter.instructions).map_err(during("load the system call filter"));
    match ready.filter(|filter| filter.is_of(profile)) {
        Some(filter) => load(filter),
        None => {
            let compiled = Filter::compile(profile);
            load(&compiled.map_err(|error| Failure { message: error.to_string(), errno: Errno::EINVAL })?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_default_compiles_small_enough_for_the_kernel() {
        for user_namespaces in [false, true] {
            let filter = Filter::compile(&docker_default(user_namespaces).unwrap()).unwrap();
            assert!((200..4096).contains(&filter.length()), "{} instructions", filter.length());
            assert!(filter.is_of(&docker_default(user_namespaces).unwrap()));
            assert!(!filter.is_of(&docker_default(!user_namespaces).unwrap()));
        }
    }
}
