//! With which flags the kernel gets a filter.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};

use super::CompileError;
use crate::sys::seccomp::{
    FLAG_LOG, FLAG_NEW_LISTENER, FLAG_SPEC_ALLOW, FLAG_TSYNC, FLAG_TSYNC_ESRCH, FLAG_WAIT_KILLABLE_RECV,
};

/// Whether a rule leaves its calls to a listener.
pub(super) fn notifies(profile: &LinuxSeccomp) -> bool {
    profile.syscalls().iter().flatten().any(|rule| rule.action() == LinuxSeccompAction::ScmpActNotify)
}

/// Those that the profile asks for and no others, but for what its rules need.
///
/// # Errors
/// When a flag makes no sense without a rule that is not there.
pub(super) fn of(profile: &LinuxSeccomp) -> Result<u32, CompileError> {
    let mut flags = profile.flags().iter().flatten().fold(0, |flags, flag| flags | bit(*flag));
    if notifies(profile) {
        flags |= FLAG_NEW_LISTENER;
        // The kernel takes both only if no thread's number can come back in place of the descriptor.
        flags |= if flags & FLAG_TSYNC == 0 { 0 } else { FLAG_TSYNC_ESRCH };
    } else if flags & FLAG_WAIT_KILLABLE_RECV != 0 {
        let value = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV without SCMP_ACT_NOTIFY".to_owned();
        return Err(CompileError::Unsupported { field: "flags", value });
    }
    Ok(flags)
}

fn bit(flag: LinuxSeccompFilterFlag) -> u32 {
    match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => FLAG_LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => FLAG_TSYNC,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => FLAG_SPEC_ALLOW,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => FLAG_WAIT_KILLABLE_RECV,
    }
}
