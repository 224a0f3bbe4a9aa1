//! What each instruction does.

mod copy;
mod describe;
mod mounts;
mod run;
mod workdir;

use sandlot_runtime::supervisor::client::Client;

use super::dockerfile::{Instruction, Step};
use super::error::Result;
use super::stage::StageRun;

/// Runs one step of a stage.
pub(super) fn run(stage: &mut StageRun<'_>, step: &Step, client: &mut Client) -> Result<()> {
    match &step.instruction {
        Instruction::Run(run) => run::run(stage, run, step, client),
        Instruction::Copy(copy) => copy::copy(stage, copy, step, false, client),
        Instruction::Add(copy) => copy::copy(stage, copy, step, true, client),
        Instruction::Workdir(folder) => workdir::workdir(stage, folder, step, client),
        other => describe::describe(stage, other, step),
    }
}

/// An absolute path, from the working directory if it is none, without `.` and `..`.
fn absolute(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_working_directory() {
        for (folder, path, result) in [
            ("/", "a", "/a"),
            ("/w", "./a/../b/", "/w/b"),
            ("/w", "/x//y", "/x/y"),
            ("/w", "../../..", "/"),
            ("/w", "", "/w"),
        ] {
            assert_eq!(absolute(folder, path), result);
        }
    }
}
