//! As many of one thing as there are, up to a count.

use std::fs::{self, File};
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::outcome::{Outcome, argument};

/// Processes that wait, all ended again.
#[expect(clippy::disallowed_methods, reason = "a flood of processes is what this is")]
pub(crate) fn processes(arguments: &[String]) -> Outcome {
    let mut children: Vec<Child> = Vec::new();
    let outcome = repeat(arguments, 0, |_| {
        let child =
            Command::new("/proc/self/exe").arg("idle").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        child.map(|child| children.push(child))
    });
    for child in &mut children {
        // A child that is gone already needs no end.
        let _gone = child.kill().and_then(|()| child.wait());
    }
    outcome
}

/// Open files.
pub(crate) fn files(arguments: &[String]) -> Outcome {
    let mut open = Vec::new();
    repeat(arguments, 0, |_| File::open("/dev/null").map(|file| open.push(file)))
}

/// Terminals.
pub(crate) fn terminals(arguments: &[String]) -> Outcome {
    let mut open = Vec::new();
    repeat(arguments, 0, |_| {
        File::options().read(true).write(true).open("/dev/ptmx").map(|file| open.push(file))
    })
}

/// Sockets with a port each.
pub(crate) fn sockets(arguments: &[String]) -> Outcome {
    let mut open = Vec::new();
    repeat(arguments, 0, |_| UdpSocket::bind("127.0.0.1:0").map(|socket| open.push(socket)))
}

/// Empty files.
pub(crate) fn inodes(arguments: &[String]) -> Outcome {
    in_folder(arguments, |folder, number| File::create(folder.join(number.to_string())).map(drop))
}

/// Files of one mebibyte.
pub(crate) fn disk(arguments: &[String]) -> Outcome {
    let bytes = vec![0x5a; 1 << 20];
    in_folder(arguments, |folder, number| File::create(folder.join(number.to_string()))?.write_all(&bytes))
}

fn in_folder(arguments: &[String], mut one: impl FnMut(&Path, usize) -> std::io::Result<()>) -> Outcome {
    let folder: PathBuf = match argument::<PathBuf>(arguments, 0) {
        Ok(folder) => folder.join("sandlot-probe-flood"),
        Err(outcome) => return outcome,
    };
    if let Err(error) = fs::create_dir_all(&folder) {
        return Outcome::unprepared("make a folder", error);
    }
    let outcome = repeat(arguments, 1, |number| one(&folder, number));
    match fs::remove_dir_all(&folder) {
        Ok(()) => outcome,
        Err(error) => Outcome::unprepared("remove the flood", error),
    }
}

/// Makes one after the other until the count that is the argument at `index`, or the first refusal.
fn repeat(arguments: &[String], index: usize, mut one: impl FnMut(usize) -> std::io::Result<()>) -> Outcome {
    let count: usize = match argument(arguments, index) {
        Ok(count) => count,
        Err(outcome) => return outcome,
    };
    for made in 0..count {
        if let Err(error) = one(made) {
            return Outcome::Refused(format!("{error} after {made}"));
        }
    }
    Outcome::Succeeded(format!("all {count}"))
}
