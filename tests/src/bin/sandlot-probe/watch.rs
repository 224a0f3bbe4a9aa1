//! A hostile loop: waits inside for processes that join from outside, and tries to get at their memory, executable,
//! descriptors, root and working directory before they have become a program of the container.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::outcome::{Outcome, argument};

/// A file that ends the watch.
const ENOUGH: &str = "/tmp/enough";

/// What the loop has seen.
#[derive(Debug, Default)]
struct Watch {
    programs: Vec<PathBuf>,
    done: BTreeSet<i32>,
    joined: BTreeSet<i32>,
    refused: u64,
}

/// Watches for some time, or until the file [`ENOUGH`] is there; the programs named are the container's own.
pub(crate) fn joins(arguments: &[String]) -> Outcome {
    let milliseconds = match argument(arguments, 0) {
        Ok(milliseconds) => milliseconds,
        Err(outcome) => return outcome,
    };
    let mut watch = Watch {
        programs: arguments.iter().skip(1).map(PathBuf::from).collect(),
        done: processes().collect(),
        ..Watch::default()
    };
    println!("watching");
    let end = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < end && !Path::new(ENOUGH).exists() {
        for pid in processes().filter(|pid| !watch.done.contains(pid)).collect::<Vec<_>>() {
            if let Some(caught) = watch.attack(pid) {
                return Outcome::Succeeded(caught);
            }
        }
    }
    match watch.refused {
        0 => Outcome::NotTried(format!("none of {} joining processes was met in time", watch.joined.len())),
        refused => Outcome::Refused(format!("{refused} attempts on {} processes", watch.joined.len())),
    }
}

fn processes() -> impl Iterator<Item = i32> {
    let folder = fs::read_dir("/proc").into_iter().flatten().flatten();
    folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

impl Watch {
    /// One round against one process; says what was caught.
    fn attack(&mut self, pid: i32) -> Option<String> {
        self.joined.insert(pid);
        let place = PathBuf::from(format!("/proc/{pid}"));
        let memory = File::options().read(true).write(true).open(place.join("mem"));
        let folder = |name: &str| fs::metadata(place.join(name)).map(|m| (m.dev(), m.ino()));
        let (root, cwd, descriptors) = (folder("root"), folder("cwd"), fs::read_dir(place.join("fd")));
        let traced = ptrace::seize(Pid::from_raw(pid), ptrace::Options::empty());
        let reached = [memory.is_ok(), root.is_ok(), cwd.is_ok(), descriptors.is_ok(), traced.is_ok()];
        // Asked last: when the executable is a foreign one now, it was one during all of the above.
        let executable = fs::read_link(place.join("exe"));
        if traced.is_ok() {
            let_go(Pid::from_raw(pid));
        }
        match executable {
            Ok(path) if self.programs.contains(&path) => {
                self.done.insert(pid);
                None
            }
            Ok(path) => Some(format!(
                "process {pid} runs {} and lets in: mem, root, cwd, fd, ptrace = {reached:?}",
                path.display()
            )),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                self.refused += 1;
                None
            }
            Err(_) => None,
        }
    }
}

/// Only a stopped process can be detached from; one that has ended is waited for, so that its parent may do so too.
fn let_go(pid: Pid) {
    let _ended_meanwhile =
        ptrace::interrupt(pid).and_then(|()| waitpid(pid, None)).and_then(|_| ptrace::detach(pid, None));
    let _stopped_or_gone = waitpid(pid, Some(WaitPidFlag::WNOHANG));
}
