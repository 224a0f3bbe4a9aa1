//! `sandlot-supervisor`: the supervisor of a node and its guardian. A program of its own, so that neither its code nor
//! that of the image store weighs on the many starts of `sandlot-oci`.

use std::process::ExitCode;

use sandlot_runtime::supervisor;

fn main() -> ExitCode {
    ExitCode::from(u8::try_from(supervisor::run(std::env::args_os().skip(1))).unwrap_or(1))
}
