//! Running hooks: programs that get the container's state on their standard input (config.md, "POSIX-platform Hooks").

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::failure::Failure;
use crate::spec::HookPlan;
use crate::sys::pidfd;

/// Longest output of a failed hook that an error repeats.
const MAX_OUTPUT_BYTES: u64 = 4096;

/// Runs hooks one after the other; the first that fails is the last.
///
/// # Errors
/// With the hook's place, how it ended and what it said.
pub fn run_all(point: &str, hooks: &[HookPlan], state: &[u8]) -> Result<(), Failure> {
    hooks.iter().enumerate().try_for_each(|(number, hook)| {
        run(hook, state).map_err(|why| Failure {
            message: format!("error running {point} hook #{number}: {why}"),
            errno: Errno::UnknownErrno,
        })
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "called in processes of one thread only, where a fork is sound"
)]
fn run(hook: &HookPlan, state: &[u8]) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut input = memory(state).map_err(text)?;
    input.rewind().map_err(text)?;
    let (mut output, mut errors) = (memory(b"").map_err(text)?, memory(b"").map_err(text)?);
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear().envs(hook.env.iter().filter_map(|variable| variable.split_once('=')));
    command.stdin(input).stdout(output.try_clone().map_err(text)?).stderr(errors.try_clone().map_err(text)?);
    let mut child =
        command.spawn().map_err(|error| format!("fork/exec {}: {}", hook.path.display(), plain(&error)))?;
    let status = match hook.timeout {
        None => child.wait().map_err(text)?,
        Some(limit) => wait_within(&mut child, limit)?,
    };
    if status.success() {
        return Ok(());
    }
    let (output, errors) = (said(&mut output), said(&mut errors));
    Err(format!("error running hook: {}, stdout: {output}, stderr: {errors}", ending(status)))
}

/// In memory, so that neither a full pipe nor a slow reader holds anybody up.
fn memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"hook", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(content)?;
    Ok(file)
}

fn said(file: &mut File) -> String {
    let mut text = Vec::new();
    let read = file.rewind().and_then(|()| file.take(MAX_OUTPUT_BYTES).read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => error.to_string(),
    }
}

fn wait_within(child: &mut Child, limit: Duration) -> Result<ExitStatus, String> {
    let text = |error: io::Error| error.to_string();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let process = pidfd::open(pid).map_err(|errno| errno.to_string())?;
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if Instant::now() >= until => break,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return child.wait().map_err(text),
            Err(errno) => return Err(errno.to_string()),
        }
    }
    child.kill().map_err(text)?;
    child.wait().map_err(text)?;
    Err(format!("hook ran past specified timeout of {:.1}s", limit.as_secs_f64()))
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {}", signal_text(signal)),
        (None, None) => "unknown end".to_owned(),
    }
}

/// As strsignal(3) says it, which a static program must not ask.
fn signal_text(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(Signal::SIGSYS) => "bad system call".to_owned(),
        Ok(Signal::SIGKILL) => "killed".to_owned(),
        Ok(Signal::SIGTERM) => "terminated".to_owned(),
        Ok(Signal::SIGSEGV) => "segmentation fault".to_owned(),
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => signal.to_string(),
    }
}

/// The kernel's words without the number.
fn plain(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_lowercase())
}
