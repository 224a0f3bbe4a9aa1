//! The profile of serve itself: files, sockets and threads of its own, and nothing that starts, traces or changes others.

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSeccompOperator,
    LinuxSyscall, LinuxSyscallBuilder,
};

use super::calls::ALLOWED;
use super::profile::architectures;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const CLONE_THREAD: u64 = 0x1_0000;
/// AF_UNIX, AF_INET and AF_INET6.
const SOCKET_FAMILIES: [u64; 3] = [1, 2, 10];

/// What a container may and serve need not: programs, other processes, identities, devices, notification of all files.
const NOT_FOR_SERVE: &[&str] = &[
    "adjtimex",
    "capset",
    "chroot",
    "clock_adjtime",
    "clock_adjtime64",
    "execve",
    "execveat",
    "fanotify_mark",
    "fork",
    "ipc",
    "landlock_create_ruleset",
    "mknod",
    "mknodat",
    "modify_ldt",
    "name_to_handle_at",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "setfsgid",
    "setfsgid32",
    "setfsuid",
    "setfsuid32",
    "setgid",
    "setgid32",
    "setgroups",
    "setgroups32",
    "setregid",
    "setregid32",
    "setresgid",
    "setresgid32",
    "setresuid",
    "setresuid32",
    "setreuid",
    "setreuid32",
    "setuid",
    "setuid32",
    "shmat",
    "shmget",
    "socketcall",
    "vfork",
];

/// The profile.
///
/// # Errors
/// When a part of the document is missing, which would be a mistake in this function.
pub fn serve() -> Result<LinuxSeccomp, OciSpecError> {
    let names = ALLOWED.iter().filter(|name| !NOT_FOR_SERVE.contains(name)).map(|name| (*name).to_owned());
    let allow = LinuxSeccompAction::ScmpActAllow;
    let mut rules =
        vec![LinuxSyscallBuilder::default().names(names.collect::<Vec<_>>()).action(allow).build()?];
    rules.push(threads_only()?);
    // Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
    let clone3 = LinuxSyscallBuilder::default().names(vec!["clone3".to_owned()]);
    rules.push(clone3.action(LinuxSeccompAction::ScmpActErrno).errno_ret(ENOSYS).build()?);
    for family in SOCKET_FAMILIES {
        rules.push(socket_of(family)?);
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(EPERM)
        .architectures(architectures())
        .syscalls(rules)
        .build()
}

fn threads_only() -> Result<LinuxSyscall, OciSpecError> {
    let thread = LinuxSeccompArgBuilder::default()
        .index(0usize)
        .value(CLONE_THREAD)
        .value_two(CLONE_THREAD)
        .op(LinuxSeccompOperator::ScmpCmpMaskedEq)
        .build()?;
    let rule = LinuxSyscallBuilder::default().names(vec!["clone".to_owned()]);
    rule.action(LinuxSeccompAction::ScmpActAllow).args(vec![thread]).build()
}

fn socket_of(family: u64) -> Result<LinuxSyscall, OciSpecError> {
    let equal = LinuxSeccompArgBuilder::default()
        .index(0usize)
        .value(family)
        .value_two(0u64)
        .op(LinuxSeccompOperator::ScmpCmpEq)
        .build()?;
    let rule = LinuxSyscallBuilder::default().names(vec!["socket".to_owned()]);
    rule.action(LinuxSeccompAction::ScmpActAllow).args(vec![equal]).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exclusion_names_a_call_that_was_allowed() {
        for name in NOT_FOR_SERVE {
            assert!(ALLOWED.contains(name), "{name}");
        }
    }
}
