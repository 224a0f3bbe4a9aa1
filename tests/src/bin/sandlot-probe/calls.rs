//! System calls that no container may reach.

use nix::errno::Errno;
use sandlot_runtime::sys::forbidden::{Forbidden, attempt};

use crate::outcome::{Outcome, argument};

const NAMES: [(&str, Forbidden); 15] = [
    ("add_key", Forbidden::AddKey),
    ("request_key", Forbidden::RequestKey),
    ("keyctl", Forbidden::Keyctl),
    ("init_module", Forbidden::InitModule),
    ("kexec_load", Forbidden::KexecLoad),
    ("bpf", Forbidden::Bpf),
    ("perf_event_open", Forbidden::PerfEventOpen),
    ("userfaultfd", Forbidden::Userfaultfd),
    ("io_uring_setup", Forbidden::IoUringSetup),
    ("open_by_handle_at", Forbidden::OpenByHandleAt),
    ("settimeofday", Forbidden::Settimeofday),
    ("syslog", Forbidden::Syslog),
    ("reboot", Forbidden::Reboot),
    ("clone-user-namespace", Forbidden::CloneUserNamespace),
    ("clone3", Forbidden::Clone3),
];

/// Makes one call; any answer but a refusal says that the kernel would have carried it out with other arguments.
pub(crate) fn reach(arguments: &[String]) -> Outcome {
    let name: String = match argument(arguments, 0) {
        Ok(name) => name,
        Err(outcome) => return outcome,
    };
    let Some((_, call)) = NAMES.iter().find(|(known, _)| *known == name) else {
        return Outcome::NotTried(format!("no call `{name}`"));
    };
    match attempt(*call) {
        Ok(()) => Outcome::Succeeded(name),
        Err(errno @ (Errno::EPERM | Errno::EACCES)) => Outcome::Refused(format!("{name}: {errno}")),
        Err(Errno::ENOSYS) => Outcome::Refused(format!("{name}: ENOSYS: the kernel has no such call")),
        Err(errno) => Outcome::Succeeded(format!("{name} was reached and said {errno}")),
    }
}
