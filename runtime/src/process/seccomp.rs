//! System call filters: compiled once from an OCI profile, loaded by every process of the container.
//!
//! libseccomp takes tens of milliseconds for Docker's profile, so the supervisor compiles at its start and hands the
//! result to the workers that it forks; a command line that starts one container takes it from a [`cache`].

mod architecture;
mod bytes;
pub mod cache;
mod calls;
mod check;
mod conditions;
mod flags;
mod involved;
pub mod listener;
mod multiplexed;
mod newer;
mod profile;
mod serve;
mod stub;
mod translate;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use libseccomp::error::SeccompError;
use nix::errno::Errno;
use oci_spec::runtime::LinuxSeccomp;

use self::involved::Involved;
use crate::failure::{Failure, during};
use crate::sys::seccomp::{self, FLAG_SPEC_ALLOW, Instruction};

pub use profile::docker_default;
pub use serve::serve;

/// BPF_MAXINSNS of the kernel.
const MAX_INSTRUCTIONS: usize = 4096;

/// Why a profile did not compile.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The profile says something that a filter cannot.
    #[error("compile `linux.seccomp.{field}`: {value} is not supported")]
    Unsupported {
        /// Which field, below `linux.seccomp`.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// A listener cannot be told of the call by which it becomes known.
    #[error("SCMP_ACT_NOTIFY cannot be used for the write syscall")]
    NotifyOfWrite,
    /// The same, for all calls.
    #[error("SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyAsDefault,
    /// libseccomp refused a rule.
    #[error("error adding seccomp filter rule for syscall {call}: {source}")]
    Rule {
        /// The call's name.
        call: String,
        /// What libseccomp said.
        source: SeccompError,
    },
    /// libseccomp refused.
    #[error("compile a system call filter: {0}")]
    Refused(#[from] SeccompError),
    /// The compiled form did not get out of libseccomp.
    #[error("export a system call filter: {0}")]
    Export(#[from] io::Error),
    /// The kernel takes no filter of this length.
    #[error("compile a system call filter: {0} instructions, more than {MAX_INSTRUCTIONS}")]
    TooLong(usize),
}

/// A compiled filter: plain bytes, for any process that is forked from the one that compiled it.
#[derive(Debug, Clone)]
pub struct Filter {
    profile: LinuxSeccomp,
    flags: u32,
    instructions: Vec<Instruction>,
}

impl Filter {
    /// Compiles a profile. Names that libseccomp does not know are left out; architectures have to be known.
    ///
    /// # Errors
    /// When the profile cannot be a filter, or libseccomp refuses.
    pub fn compile(profile: &LinuxSeccomp) -> Result<Self, CompileError> {
        Self::of(profile, instructions)
    }

    /// The filter of a checked profile with instructions from somewhere.
    fn of(
        profile: &LinuxSeccomp,
        instructions: impl FnOnce(&LinuxSeccomp) -> Result<Vec<Instruction>, CompileError>,
    ) -> Result<Self, CompileError> {
        check::check(profile)?;
        let flags = flags::of(profile)?;
        Ok(Self { profile: profile.clone(), flags, instructions: instructions(profile)? })
    }

    /// The same filter, loaded without the brakes on speculation that older kernels add to filters. For sessions, whose
    /// neighbours are kept apart by other means; an OCI document asks for it by a flag.
    #[must_use]
    pub fn with_speculation(mut self) -> Self {
        self.flags |= FLAG_SPEC_ALLOW;
        self
    }

    /// Whether it was compiled from this profile.
    pub fn is_of(&self, profile: &LinuxSeccomp) -> bool {
        self.profile == *profile
    }

    /// How many instructions it has.
    pub fn length(&self) -> usize {
        self.instructions.len()
    }

    /// Whether a rule leaves calls to a listener; [`Filter::load`] then returns one.
    pub fn notifies(&self) -> bool {
        flags::notifies(&self.profile)
    }

    /// Where the listener is to be sent.
    pub fn listener_path(&self) -> Option<&Path> {
        self.profile.listener_path().as_deref()
    }

    /// What is to be said beside it.
    pub fn listener_metadata(&self) -> Option<&str> {
        self.profile.listener_metadata().as_deref()
    }

    /// Puts it over the calling thread and all that it starts, for ever. Needs CAP_SYS_ADMIN in the own user namespace,
    /// or no_new_privs. The listener comes back where a rule asks for one: closed on exec, and without its holder every
    /// call that it would be asked about fails with ENOSYS. Allocates nothing.
    ///
    /// # Errors
    /// What `seccomp` gives.
    pub fn load(&self) -> nix::Result<Option<OwnedFd>> {
        seccomp::load(&self.instructions, self.flags)
    }
}

fn instructions(profile: &LinuxSeccomp) -> Result<Vec<Instruction>, CompileError> {
    let involved = Involved::of(profile);
    let mut instructions = stub::prefix(profile, &involved);
    instructions.extend(bytes::export(&translate::context(profile, &involved)?)?);
    if instructions.len() > MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong(instructions.len()));
    }
    Ok(instructions)
}

/// Loads the filter that a plan asks for: `ready` where it was compiled from the plan's profile, else one compiled now.
/// A plan without a profile loads none. Returns and needs what [`Filter::load`] does.
///
/// # Errors
/// With what failed; a filter that is asked for and cannot be loaded is always an error.
pub fn load(wanted: Option<&LinuxSeccomp>, ready: Option<&Filter>) -> Result<Option<OwnedFd>, Failure> {
    let Some(profile) = wanted else { return Ok(None) };
    let load = |filter: &Filter| filter.load().map_err(during("load the system call filter"));
    match ready.filter(|filter| filter.is_of(profile)) {
        Some(filter) => load(filter),
        None => {
            let compiled = Filter::compile(profile);
            load(&compiled.map_err(|error| Failure { message: error.to_string(), errno: Errno::EINVAL })?)
        }
    }
}

#[cfg(test)]
mod tests;
