//! What a profile may not say, found before libseccomp sees it.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};

use super::CompileError;

/// Conditions, and names without any. Docker's profile has 400; libseccomp needs half a second for this many, and the
/// kernel takes no more instructions than these.
const MAX_RULES: usize = 4096;
/// The kernel's last error number; what is larger it would cut.
const MAX_ERRNO: u32 = 4095;
/// What fits beside an action.
const MAX_MESSAGE: u32 = 0xffff;
/// Arguments of a system call.
const ARGUMENTS: usize = 6;

/// # Errors
/// With the first field that cannot be carried out.
pub(super) fn check(profile: &LinuxSeccomp) -> Result<(), CompileError> {
    if profile.default_action() == LinuxSeccompAction::ScmpActNotify {
        return Err(CompileError::NotifyAsDefault);
    }
    check_errno("defaultErrnoRet", profile.default_action(), profile.default_errno_ret())?;
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let count = rules.iter().map(|rule| rule.names().len() * conditions(rule).max(1)).sum::<usize>();
    if count > MAX_RULES {
        return Err(refused("syscalls", format!("{count} rules, more than {MAX_RULES}")));
    }
    rules.iter().try_for_each(check_rule)
}

fn check_rule(rule: &LinuxSyscall) -> Result<(), CompileError> {
    if rule.names().iter().any(String::is_empty) {
        return Err(refused("syscalls.names", "an empty name".to_owned()));
    }
    // Pid 1 tells its runtime by this call that there is a listener; nobody would answer it before.
    let notifies = rule.action() == LinuxSeccompAction::ScmpActNotify;
    if notifies && rule.names().iter().any(|name| name == "write") {
        return Err(CompileError::NotifyOfWrite);
    }
    check_errno("syscalls.errnoRet", rule.action(), rule.errno_ret())?;
    let indices = rule.args().iter().flatten().map(|argument| argument.index());
    match indices.max().filter(|index| *index >= ARGUMENTS) {
        Some(index) => Err(refused("syscalls.args.index", index.to_string())),
        None => Ok(()),
    }
}

/// The specification wants an error where an action has no use for the number.
fn check_errno(
    field: &'static str,
    action: LinuxSeccompAction,
    errno: Option<u32>,
) -> Result<(), CompileError> {
    let Some(errno) = errno else { return Ok(()) };
    let most = match action {
        LinuxSeccompAction::ScmpActErrno => MAX_ERRNO,
        LinuxSeccompAction::ScmpActTrace => MAX_MESSAGE,
        other => return Err(refused(field, format!("{errno} beside {other}"))),
    };
    if errno > most { Err(refused(field, format!("{errno}, more than {most}"))) } else { Ok(()) }
}

fn conditions(rule: &LinuxSyscall) -> usize {
    rule.args().as_ref().map_or(0, Vec::len)
}

fn refused(field: &'static str, value: String) -> CompileError {
    CompileError::Unsupported { field, value }
}
