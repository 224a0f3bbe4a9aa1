//! The roles of `sandlot-supervisor`, told apart by their arguments, and how one starts another.
//!
//! ```text
//! sandlot-supervisor --node-file P                    the guardian, as an operator or serve starts it
//! sandlot-supervisor --node-file P --supervise L,K    the supervisor: listening socket, lock
//! sandlot-supervisor --node-file P --stand-in L,K,S   a guardian in place of one that ended: also a pidfd of the supervisor
//! sandlot-supervisor --resume M                       the supervisor after a re-exec: its state
//! sandlot-supervisor --check M                        whether this program could resume from that state
//! ```
//!
//! Everything but the first form is only for these programs themselves.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::CloneFlags;
use nix::unistd::{execve, setsid};

use super::guardian::{self, Holds};
use super::log;
use super::start;
use crate::supervisor::service::State;
use crate::sys::clone::{self, Cloned};
use crate::sys::{descriptor, signal};

/// What this process is to be.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    Guardian { node_file: PathBuf },
    Supervisor { node_file: PathBuf, listener: RawFd, lock: RawFd },
    StandIn { node_file: PathBuf, listener: RawFd, lock: RawFd, supervisor: RawFd },
    Resume { state: RawFd },
    Check { state: RawFd },
}

/// The program `sandlot-supervisor`; `arguments` are those after its name. Returns the exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> i32 {
    let arguments: Vec<OsString> = arguments.collect();
    let Some(role) = parse(&arguments) else {
        log::warn("usage: sandlot-supervisor --node-file PATH");
        return 2;
    };
    match play(role) {
        Ok(()) => 0,
        Err(error) => {
            log::warn(error);
            1
        }
    }
}

fn play(role: Role) -> Result<(), Box<dyn std::error::Error>> {
    match role {
        Role::Guardian { node_file } => guardian::run(&node_file)?,
        Role::StandIn { node_file, listener, lock, supervisor } => {
            let holds = Holds { listener: descriptor::own(listener), lock: descriptor::own(lock) };
            guardian::stand_in(&node_file, holds, descriptor::own(supervisor))?;
        }
        Role::Supervisor { node_file, listener, lock } => {
            start::fresh(&node_file, descriptor::own(listener), descriptor::own(lock))?;
        }
        Role::Resume { state } => start::resume(descriptor::own(state))?,
        Role::Check { state } => start::check(descriptor::own(state))?,
    }
    Ok(())
}

fn parse(arguments: &[OsString]) -> Option<Role> {
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or("")).collect();
    let path = || arguments.get(1).map(PathBuf::from);
    match words.as_slice() {
        ["--node-file", _] => Some(Role::Guardian { node_file: path()? }),
        ["--node-file", _, "--supervise", numbers] => match descriptors(numbers)?.as_slice() {
            [listener, lock] => {
                Some(Role::Supervisor { node_file: path()?, listener: *listener, lock: *lock })
            }
            _ => None,
        },
        ["--node-file", _, "--stand-in", numbers] => match *descriptors(numbers)?.as_slice() {
            [listener, lock, supervisor] => {
                Some(Role::StandIn { node_file: path()?, listener, lock, supervisor })
            }
            _ => None,
        },
        ["--resume", number] => Some(Role::Resume { state: descriptors(number)?.first().copied()? }),
        ["--check", number] => Some(Role::Check { state: descriptors(number)?.first().copied()? }),
        _ => None,
    }
}

/// Numbers of open descriptors above the standard ones, joined by commas.
fn descriptors(text: &str) -> Option<Vec<RawFd>> {
    let number = |word: &str| {
        let number = word.parse::<RawFd>().ok().filter(|number| *number > 2)?;
        Path::new(&format!("/proc/self/fd/{number}")).symlink_metadata().ok().map(|_| number)
    };
    text.split(',').map(number).collect()
}

/// Starts the supervisor; returns its process id and pidfd.
pub(crate) fn start_supervisor(
    program: &Path,
    node_file: &Path,
    holds: &Holds,
) -> io::Result<(i32, OwnedFd)> {
    let given = [holds.listener.as_fd(), holds.lock.as_fd()];
    start(program, node_file, "--supervise", &given)
}

/// Starts a guardian that watches the calling supervisor; returns its process id.
pub(crate) fn start_stand_in(state: &State) -> io::Result<i32> {
    let own = crate::sys::pidfd::open(nix::unistd::getpid())?;
    let given = [state.listener.as_fd(), state.lock.as_fd(), own.as_fd()];
    Ok(start(&state.program, &state.node_file, "--stand-in", &given)?.0)
}

fn start(
    program: &Path,
    node_file: &Path,
    role: &str,
    given: &[BorrowedFd<'_>],
) -> io::Result<(i32, OwnedFd)> {
    let numbers: Vec<String> = given.iter().map(|descriptor| descriptor.as_raw_fd().to_string()).collect();
    let numbers = numbers.join(",");
    let words = [Path::new("--node-file"), node_file, Path::new(role), Path::new(&numbers)];
    match clone::clone(CloneFlags::empty(), None)? {
        Cloned::Parent(pid, pidfd) => Ok((pid.as_raw(), pidfd)),
        Cloned::Child => {
            let failed = setsid().and(signal::reset()).map_err(io::Error::from);
            let Err(error) = failed.and_then(|()| replace(program, &words, given));
            log::warn(format_args!("start `{}`: {error}", program.display()));
            clone::exit_now(127)
        }
    }
}

/// Replaces this program by `program` as `sandlot-supervisor words..`, `given` staying open. Where the file cannot be
/// started, this very program takes its place.
pub(crate) fn replace(
    program: &Path,
    words: &[&Path],
    given: &[BorrowedFd<'_>],
) -> io::Result<std::convert::Infallible> {
    for descriptor in given {
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    match exec(program, words) {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => exec(Path::new("/proc/self/exe"), words),
        done => done,
    }
}

/// [`replace`] without another try.
pub(crate) fn exec(program: &Path, words: &[&Path]) -> io::Result<std::convert::Infallible> {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
    let head = Path::new("sandlot-supervisor");
    let arguments =
        std::iter::once(&head).chain(words).map(|word| text(word)).collect::<io::Result<Vec<_>>>()?;
    let variable = |(name, value): (OsString, OsString)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).map_err(io::Error::from)
    };
    let environment = std::env::vars_os().map(variable).collect::<io::Result<Vec<_>>>()?;
    Ok(execve(&text(program)?, &arguments, &environment)?)
}

/// Path of the running program's file, also when another file stands there by now.
pub(crate) fn own_path() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.as_os_str().as_bytes();
    let text = text.strip_suffix(b" (deleted)").unwrap_or(text);
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(words: &[&str]) -> Option<Role> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn roles_are_told_apart() {
        assert_eq!(role(&["--node-file", "/n"]), Some(Role::Guardian { node_file: "/n".into() }));
        assert_eq!(role(&[]), None);
        assert_eq!(role(&["--node-file", "/n", "--supervise", "0,1"]), None);
        assert_eq!(role(&["--node-file", "/n", "--supervise", "9999,9998"]), None);
        assert_eq!(role(&["--resume", "x"]), None);
    }
}
