//! `kill`: a signal to a container.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc::SIGKILL;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::error::Error;
use super::record::Record;
use super::status::Status;
use crate::sys::pidfd;

/// The last real-time signal.
const LAST_SIGNAL: i32 = 64;
const SIGRTMIN: i32 = 34;

/// Sends a signal to the first process, or to all.
///
/// # Errors
/// When the container has stopped, unless `all` is asked for.
pub fn kill(record: &Record, signal: i32, all: bool) -> Result<(), Error> {
    if all {
        return Ok(record.placed.signal(signal)?);
    }
    // Without a pid namespace of its own the other processes outlive the first.
    let shared = !record.private_pids;
    match record.status() {
        Status::Stopped => Err(Error::said("container not running")),
        _ if signal == SIGKILL && shared => Ok(record.placed.signal(signal)?),
        status => {
            kill_first(record, signal)?;
            if status == Status::Paused && signal == SIGKILL {
                record.placed.set_frozen(false)?;
            }
            Ok(())
        }
    }
}

/// By descriptor, so that nobody else who got its number is hit.
pub(super) fn kill_first(record: &Record, signal: i32) -> Result<(), Error> {
    let failed = |errno: Errno| match errno {
        Errno::ESRCH => Error::said("container not running"),
        errno => Error::said(format!("unable to signal init: {}", errno.desc().to_lowercase())),
    };
    let process = pidfd::open(Pid::from_raw(record.pid)).map_err(failed)?;
    if !record.is_alive() {
        return Err(Error::said("container not running"));
    }
    pidfd::send_number(process.as_fd(), signal).map_err(failed)
}

/// Reads a signal by its number or its name, with or without `SIG`.
///
/// # Errors
/// When there is none of this name.
pub fn parse_signal(text: &str) -> Result<i32, Error> {
    let unknown = || Error::said(format!("unknown signal {text:?}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=LAST_SIGNAL).contains(&number) { Ok(number) } else { Err(unknown()) };
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return real_time(SIGRTMIN, offset).ok_or_else(unknown);
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        return real_time(LAST_SIGNAL, offset).ok_or_else(unknown);
    }
    let name = match name {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        name => name,
    };
    format!("SIG{name}").parse::<Signal>().map(|signal| signal as i32).map_err(|_| unknown())
}

fn real_time(base: i32, offset: &str) -> Option<i32> {
    let offset = if offset.is_empty() { 0 } else { offset.parse::<i32>().ok()? };
    Some(base + offset).filter(|signal| (SIGRTMIN..=LAST_SIGNAL).contains(signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in
            [("9", 9), ("kill", 9), ("SIGTERM", 15), ("RTMIN+1", 35), ("sigrtmax-2", 62), ("0", 0)]
        {
            assert_eq!(parse_signal(text).unwrap(), number, "{text}");
        }
        for text in ["", "65", "-1", "SIGFOO", "RTMIN-1", "RTMAX+1"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
