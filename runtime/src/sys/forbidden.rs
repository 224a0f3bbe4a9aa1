//! Calls that no container may reach, asked in a form that changes nothing where they are allowed.
//!
//! For the proof of containment only: the answer tells whether the kernel looked at the arguments or refused before.

use std::ptr::null;

use nix::Result;
use nix::errno::Errno;

use super::clone::exit_now;

/// A call and the harmless form in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// A key in the keyring of the calling process, gone with the process.
    AddKey,
    /// A key that is not there.
    RequestKey,
    /// The number of the own session keyring.
    Keyctl,
    /// An empty kernel module.
    InitModule,
    /// No segments, and flags that do not exist.
    KexecLoad,
    /// A command that does not exist.
    Bpf,
    /// An event without a description.
    PerfEventOpen,
    /// Flags that do not exist.
    Userfaultfd,
    /// A ring without a description.
    IoUringSetup,
    /// No handle.
    OpenByHandleAt,
    /// Neither a time nor a zone.
    Settimeofday,
    /// The size of the kernel's log.
    Syslog,
    /// Wrong magic numbers.
    Reboot,
    /// A process in a new user namespace, which ends at once.
    CloneUserNamespace,
    /// No description of the process.
    Clone3,
}

/// Makes the call.
///
/// # Errors
/// `EPERM`, `EACCES` or `ENOSYS` when it is refused; another error when the kernel would have done more with better
/// arguments.
pub fn attempt(call: Forbidden) -> Result<()> {
    let (number, arguments) = harmless_form(call);
    let [a, b, c, d, e] = arguments;
    // SAFETY: every form below passes null pointers, static C strings and one static byte, which the kernel only reads,
    // and values with which the call changes nothing outside of this process. The child of the one that clones runs on
    // its own copy of the memory and does nothing but end.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if call == Forbidden::CloneUserNamespace && result == 0 {
        exit_now(0)
    }
    Errno::result(result).map(drop)
}

fn harmless_form(call: Forbidden) -> (libc::c_long, [libc::c_long; 5]) {
    const PROCESS_KEYRING: libc::c_long = -2;
    const SESSION_KEYRING: libc::c_long = -3;
    const SYSLOG_SIZE_OF_BUFFER: libc::c_long = 10;
    let none = null::<u8>() as libc::c_long;
    let new_user_namespace = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    let (kind, name, content) = (
        c"user".as_ptr() as libc::c_long,
        c"sandlot-probe".as_ptr() as libc::c_long,
        c"x".as_ptr() as libc::c_long,
    );
    match call {
        Forbidden::AddKey => (libc::SYS_add_key, [kind, name, content, 1, PROCESS_KEYRING]),
        Forbidden::RequestKey => (libc::SYS_request_key, [kind, name, none, 0, 0]),
        Forbidden::Keyctl => (libc::SYS_keyctl, [0, SESSION_KEYRING, 0, 0, 0]),
        Forbidden::InitModule => (libc::SYS_init_module, [none, 0, none, 0, 0]),
        Forbidden::KexecLoad => (libc::SYS_kexec_load, [0, 0, none, -1, 0]),
        Forbidden::Bpf => (libc::SYS_bpf, [0xffff, none, 0, 0, 0]),
        Forbidden::PerfEventOpen => (libc::SYS_perf_event_open, [none, 0, -1, -1, 0]),
        Forbidden::Userfaultfd => (libc::SYS_userfaultfd, [0x4001, 0, 0, 0, 0]),
        Forbidden::IoUringSetup => (libc::SYS_io_uring_setup, [1, none, 0, 0, 0]),
        Forbidden::OpenByHandleAt => (libc::SYS_open_by_handle_at, [-1, none, 0, 0, 0]),
        Forbidden::Settimeofday => (libc::SYS_settimeofday, [none, none, 0, 0, 0]),
        Forbidden::Syslog => (libc::SYS_syslog, [SYSLOG_SIZE_OF_BUFFER, none, 0, 0, 0]),
        Forbidden::Reboot => (libc::SYS_reboot, [0, 0, 0, none, 0]),
        Forbidden::CloneUserNamespace => (libc::SYS_clone, [new_user_namespace, none, none, none, 0]),
        Forbidden::Clone3 => (libc::SYS_clone3, [none, 0, 0, 0, 0]),
    }
}
