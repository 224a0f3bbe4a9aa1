//! Processes of others.

use std::fs;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::outcome::{Outcome, argument};

/// Looks for a process whose command line holds a text.
pub(crate) fn see(arguments: &[String]) -> Outcome {
    let text: String = match argument(arguments, 0) {
        Ok(text) => text,
        Err(outcome) => return outcome,
    };
    let folder = match fs::read_dir("/proc") {
        Ok(folder) => folder,
        Err(error) => return Outcome::unprepared("read /proc", error),
    };
    let own = std::process::id().to_string();
    let mut seen = 0;
    for entry in folder.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() || name == own {
            continue;
        }
        seen += 1;
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&text) {
            return Outcome::Succeeded(format!("process {name}"));
        }
    }
    Outcome::Refused(format!("not among {seen} processes"))
}

/// Asks whether a process could be sent a signal.
pub(crate) fn signal(arguments: &[String]) -> Outcome {
    match argument(arguments, 0) {
        Ok(pid) => Outcome::of("signal the process", kill(Pid::from_raw(pid), None)),
        Err(outcome) => outcome,
    }
}

/// Says so, and waits until its stdin is closed.
pub(crate) fn idle(_: &[String]) -> Outcome {
    println!("idle");
    Outcome::of("wait", std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
}
