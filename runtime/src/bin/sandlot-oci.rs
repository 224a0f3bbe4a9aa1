//! `sandlot-oci`: an OCI runtime by its command line, and pid 1 of an instance.

use std::io::Write;
use std::process::ExitCode;

use sandlot_runtime::{cli, reaper};

fn main() -> ExitCode {
    // Pid 1 comes first and touches nothing else: its memory is paid for in every instance.
    match std::env::args_os().nth(1).as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("reaper") => ExitCode::from(u8::try_from(reaper::run()).unwrap_or(1)),
        Some("version") => ExitCode::from(u8::from(version().is_err())),
        _ => ExitCode::from(u8::try_from(cli::run(std::env::args_os())).unwrap_or(255)),
    }
}

fn version() -> std::io::Result<()> {
    std::io::stdout().write_all(concat!("sandlot-oci ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())
}
