//! `sandlot-oci`: the small binary of the runtime: the supervisor, the guardian and pid 1 of an instance.

use std::process::ExitCode;

use sandlot_runtime::reaper;

fn main() -> ExitCode {
    // Pid 1 comes first and touches nothing else: its memory is paid for in every instance.
    match std::env::args_os().nth(1).as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("reaper") => ExitCode::from(u8::try_from(reaper::run()).unwrap_or(1)),
        _ => ExitCode::from(2),
    }
}
