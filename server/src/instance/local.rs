//! The local backend: plain processes of the user who runs serve, for work on the web side. No isolation at all.
//!
//! Sessions end with serve. A terminal is a PTY by `portable-pty`; an exec is a child with three pipes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::process::{ExitStatus as ProcessStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sandlot_runtime::ring::{DEFAULT_CAPACITY, Ring};
use sandlot_runtime::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};
use sandlot_runtime::supervisor::protocol::{Command, Event, ExitStatus, Machine, SocketFamily};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use super::{ExecEnds, NewTerminal, TerminalEnds};
use crate::error::{Error, ErrorKind, Result};
use crate::shutdown::Shutdown;
use crate::supervisor::News;

/// The processes of every session; clones share them.
#[derive(Debug, Clone)]
pub struct Local {
    sessions: Arc<Mutex<BTreeMap<SessionNumber, Processes>>>,
    events: mpsc::Sender<News>,
    ended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Processes {
    instances: BTreeSet<InstanceIndex>,
    terminals: BTreeMap<TerminalNumber, LocalTerminal>,
    execs: BTreeMap<ExecNumber, Pid>,
}

struct LocalTerminal {
    instance: InstanceIndex,
    child: Box<dyn Child + Send + Sync>,
    /// Kept as the supervisor keeps its duplicate: until the program has ended or is hung up.
    master: Option<Box<dyn MasterPty + Send>>,
}

impl std::fmt::Debug for LocalTerminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalTerminal").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl Local {
    /// An empty backend that tells ends through `events`.
    ///
    /// # Errors
    /// When SIGCHLD cannot be watched.
    pub fn new(events: mpsc::Sender<News>, shutdown: &Shutdown) -> std::io::Result<Self> {
        let local = Self { sessions: Arc::default(), events, ended: Arc::default() };
        let mut children = signal(SignalKind::child())?;
        let reaping = local.clone();
        shutdown.spawn(async move {
            while children.recv().await.is_some() {
                reaping.reap().await;
            }
        });
        Ok(local)
    }

    /// A backend that runs nothing.
    #[cfg(test)]
    pub(crate) fn for_tests(events: mpsc::Sender<News>) -> Self {
        Self { sessions: Arc::default(), events, ended: Arc::default() }
    }

    pub(super) fn start(&self, session: SessionNumber, machines: &[Machine]) -> Result<()> {
        let instances = machines.iter().map(|machine| machine.index).collect();
        let processes = Processes { instances, ..Processes::default() };
        self.lock().insert(session, processes);
        Ok(())
    }

    pub(super) fn add(&self, session: SessionNumber, instance: InstanceIndex) -> Result<()> {
        let mut sessions = self.lock();
        let processes = sessions.get_mut(&session).ok_or_else(|| Error::not_found("session"))?;
        processes.instances.insert(instance);
        Ok(())
    }

    pub(super) fn remove(&self, session: SessionNumber, instance: InstanceIndex) -> Result<()> {
        self.reboot(session, instance)?;
        if let Some(processes) = self.lock().get_mut(&session) {
            processes.instances.remove(&instance);
        }
        Ok(())
    }

    pub(super) async fn end(&self, session: SessionNumber) -> Result<()> {
        loop {
            let ended = self.ended.notified();
            if !self.hang_up_all(session) {
                return Ok(());
            }
            // A shell ends at SIGHUP; what ignores it is killed at the next look.
            drop(tokio::time::timeout(std::time::Duration::from_millis(500), ended).await);
        }
    }

    /// Signals whatever runs; says whether anything did.
    fn hang_up_all(&self, session: SessionNumber) -> bool {
        let mut sessions = self.lock();
        let Some(processes) = sessions.get_mut(&session) else { return false };
        for terminal in processes.terminals.values_mut() {
            let last = if terminal.master.take().is_some() { Signal::SIGHUP } else { Signal::SIGKILL };
            signal_child(terminal.child.as_ref(), last);
        }
        for pid in processes.execs.values() {
            end_process(*pid, Signal::SIGKILL);
        }
        !processes.terminals.is_empty() || !processes.execs.is_empty()
    }

    pub(super) fn forget(&self, session: SessionNumber) {
        self.lock().remove(&session);
    }

    pub(super) fn reboot(&self, session: SessionNumber, instance: InstanceIndex) -> Result<()> {
        let sessions = self.lock();
        let processes = sessions.get(&session).ok_or_else(|| Error::not_found("session"))?;
        for terminal in processes.terminals.values().filter(|terminal| terminal.instance == instance) {
            signal_child(terminal.child.as_ref(), Signal::SIGKILL);
        }
        Ok(())
    }

    pub(super) fn open_terminal(&self, session: SessionNumber, new: &NewTerminal) -> Result<TerminalEnds> {
        let mut sessions = self.lock();
        let processes = sessions
            .get_mut(&session)
            .filter(|processes| processes.instances.contains(&new.instance))
            .ok_or_else(|| Error::not_found("instance"))?;
        let size = PtySize { rows: new.size.rows, cols: new.size.cols, ..PtySize::default() };
        let pair = native_pty_system().openpty(size).map_err(pty_error)?;
        let child = pair.slave.spawn_command(shell(&new.command)).map_err(pty_error)?;
        let number = pair.master.as_raw_fd().ok_or_else(|| Error::not_found("terminal"))?;
        let ptmx = sandlot_runtime::sys::descriptor::duplicate(number).map_err(Error::internal)?;
        let ring = Ring::create(DEFAULT_CAPACITY).map_err(Error::internal)?;
        let terminal = LocalTerminal { instance: new.instance, child, master: Some(pair.master) };
        processes.terminals.insert(new.terminal, terminal);
        Ok(TerminalEnds { ptmx, ring })
    }

    pub(super) fn hang_up(&self, session: SessionNumber, terminal: TerminalNumber) -> Result<()> {
        let mut sessions = self.lock();
        let found = sessions.get_mut(&session).and_then(|processes| processes.terminals.get_mut(&terminal));
        let terminal = found.ok_or_else(|| Error::not_found("terminal"))?;
        terminal.master = None;
        signal_child(terminal.child.as_ref(), Signal::SIGHUP);
        Ok(())
    }

    pub(super) fn exec(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
        exec: ExecNumber,
        command: &Command,
    ) -> Result<ExecEnds> {
        let mut sessions = self.lock();
        let processes = sessions
            .get_mut(&session)
            .filter(|processes| processes.instances.contains(&instance))
            .ok_or_else(|| Error::not_found("instance"))?;
        let (program, arguments) =
            command.argv.split_first().ok_or_else(|| Error::new(ErrorKind::Invalid, "Name a program."))?;
        let mut builder = tokio::process::Command::new(program);
        builder.args(arguments).envs(command.env.iter().cloned()).process_group(0);
        builder.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &command.cwd {
            builder.current_dir(folder);
        }
        let mut child = builder.spawn().map_err(|e| not_run(program, e))?;
        let ends = take_pipes(&mut child).map_err(Error::internal)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        processes.execs.extend(pid.map(|pid| (exec, pid)));
        drop(sessions);
        tokio::spawn(self.clone().wait_for_exec(session, exec, child));
        Ok(ends)
    }

    async fn wait_for_exec(self, session: SessionNumber, exec: ExecNumber, mut child: tokio::process::Child) {
        let Ok(status) = child.wait().await else { return };
        if let Some(processes) = self.lock().get_mut(&session) {
            processes.execs.remove(&exec);
        }
        self.ended.notify_waiters();
        self.tell(Event::ExecEnded { session, exec, status: exit_status(status) }).await;
    }

    pub(super) fn kill_exec(&self, session: SessionNumber, exec: ExecNumber) {
        let sessions = self.lock();
        if let Some(pid) = sessions.get(&session).and_then(|processes| processes.execs.get(&exec)) {
            end_process(Pid::from_raw(-pid.as_raw()), Signal::SIGKILL);
        }
    }

    /// Looks which programs of terminals have ended.
    async fn reap(&self) {
        let mut ended = Vec::new();
        for (session, processes) in self.lock().iter_mut() {
            processes.terminals.retain(|number, terminal| match wait_status(terminal.child.as_mut()) {
                None => true,
                Some(status) => {
                    ended.push(Event::TerminalEnded { session: *session, terminal: *number, status });
                    false
                }
            });
        }
        for event in ended {
            self.ended.notify_waiters();
            self.tell(event).await;
        }
    }

    async fn tell(&self, event: Event) {
        if self.events.send(News::Event(event)).await.is_err() {
            tracing::debug!("nobody listens for ends any more");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionNumber, Processes>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exit status with its signal's number, which the trait's own status does not keep.
/// Sockets of the host's own network: nothing is contained here.
pub(super) fn open_sockets(family: SocketFamily, count: u8) -> Result<Vec<OwnedFd>> {
    let family = match family {
        SocketFamily::V4 => AddressFamily::Inet,
        SocketFamily::V6 => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let sockets = (0..count).map(|_| socket(family, SockType::Stream, flags, None));
    sockets.collect::<std::result::Result<_, _>>().map_err(Error::internal)
}

fn wait_status(child: &mut (dyn Child + Send + Sync)) -> Option<ExitStatus> {
    let child: &mut dyn Child = child;
    match child.downcast_mut::<std::process::Child>() {
        Some(child) => child.try_wait().ok().flatten().map(exit_status),
        None => {
            let status = child.try_wait().ok().flatten()?;
            Some(ExitStatus { code: i32::try_from(status.exit_code()).ok(), signal: None })
        }
    }
}

fn exit_status(status: ProcessStatus) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    ExitStatus { code: status.code(), signal: status.signal() }
}

fn shell(command: &Command) -> CommandBuilder {
    let mut builder = match command.argv.split_first() {
        Some((program, arguments)) => {
            let mut builder = CommandBuilder::new(program);
            builder.args(arguments);
            builder
        }
        None => CommandBuilder::new_default_prog(),
    };
    builder.env("TERM", "xterm-256color");
    builder.env("COLORTERM", "truecolor");
    for (name, value) in &command.env {
        builder.env(name, value);
    }
    if let Some(folder) = &command.cwd {
        builder.cwd(folder);
    }
    builder
}

fn take_pipes(child: &mut tokio::process::Child) -> std::io::Result<ExecEnds> {
    let missing = || std::io::Error::other("a pipe of the child is missing");
    let stdin: OwnedFd = child.stdin.take().ok_or_else(missing)?.into_owned_fd()?;
    let stdout: OwnedFd = child.stdout.take().ok_or_else(missing)?.into_owned_fd()?;
    let stderr: OwnedFd = child.stderr.take().ok_or_else(missing)?.into_owned_fd()?;
    Ok(ExecEnds { stdin, stdout, stderr })
}

fn not_run(program: &str, error: std::io::Error) -> Error {
    let sentence = format!("The program {program:?} cannot be run: {}.", error.kind());
    Error::new(ErrorKind::Invalid, sentence).with_cause(error)
}

/// `portable-pty` speaks in a boxed error of another crate.
fn pty_error(error: impl std::fmt::Display) -> Error {
    Error::internal(std::io::Error::other(format!("open a terminal: {error}")))
}

fn signal_child(child: &(dyn Child + Send + Sync), signal: Signal) {
    if let Some(pid) = child.process_id().and_then(|id| i32::try_from(id).ok()) {
        end_process(Pid::from_raw(pid), signal);
    }
}

fn end_process(pid: Pid, signal: Signal) {
    if let Err(error) = kill(pid, signal) {
        tracing::debug!(%pid, %error, "signal a process that may have ended");
    }
}
