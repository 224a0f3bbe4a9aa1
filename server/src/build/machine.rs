//! A machine over the layers so far, in which one step happens.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::name::{ExecNumber, Hostname, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::{
    ArchiveOptions, BuildMount, BuildNetwork, Command, Defaults, EndReason, Event, ExitStatus, Limits, Login,
    Machine, PathStat, RefusalKind, Reply, Request,
};

use super::error::{Error, Result};
use super::layer::Layers;

/// A command may run for so long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Copying and comparing files of a large image on a slow disk.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A running machine. Dropped, it is ended.
#[derive(Debug)]
pub(super) struct BuildMachine<'a> {
    client: &'a mut Client,
    build: SessionNumber,
    execs: u32,
}

/// What a command runs as.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    pub(super) argv: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) folder: String,
    pub(super) user: Option<String>,
}

/// The things beside its layers that a machine is started with.
#[derive(Debug, Default)]
pub(super) struct Fittings {
    pub(super) mounts: Vec<BuildMount>,
    /// Content of the secrets among the mounts, in their order.
    pub(super) secrets: Vec<File>,
    pub(super) network: BuildNetwork,
}

impl<'a> BuildMachine<'a> {
    /// Starts a machine; its layers stand unpacked.
    pub(super) fn start(
        client: &'a mut Client,
        layers: &Layers,
        limits: Limits,
        fittings: &Fittings,
    ) -> Result<Self> {
        client.set_timeout(PATIENCE);
        let hostname =
            Hostname::try_from("build".to_owned()).map_err(|error| Error::Request(error.to_string()))?;
        let machine = Machine {
            index: index()?,
            hostname,
            layers: layers.diff_ids(),
            limits,
            login: Login::Root,
            no_new_privileges: false,
            user_namespaces: false,
            net_admin: false,
        };
        let secrets: Vec<BorrowedFd<'_>> = fittings.secrets.iter().map(AsFd::as_fd).collect();
        let (mounts, network) = (fittings.mounts.clone(), fittings.network);
        match client.call(Request::StartBuild { machine, mounts, network }, &secrets)?.0 {
            Reply::Build { build } => {
                // Numbers are given again: what was told before this answer is of an earlier machine.
                while client.next_event(Duration::ZERO)?.is_some() {}
                Ok(Self { client, build, execs: 0 })
            }
            _ => Err(ClientError::WrongReply.into()),
        }
    }

    /// Runs a command to its end; `output` gets what it writes, from two threads.
    pub(super) fn run(
        &mut self,
        running: Running,
        input: Option<File>,
        output: &(dyn Fn(bool, &[u8]) + Sync),
    ) -> Result<ExitStatus> {
        self.execs += 1;
        let exec = ExecNumber(self.execs);
        let Running { argv, environment, folder, user } = running;
        let command = Command { argv, env: environment, cwd: Some(folder), user, defaults: Defaults::Step };
        let request = Request::Exec { session: self.build, instance: index()?, exec, command };
        let (_, descriptors) = self.client.call(request, &[])?;
        let [stdin, stdout, stderr]: [OwnedFd; 3] =
            descriptors.try_into().map_err(|_| Error::from(ClientError::WrongReply))?;
        thread::scope(|scope| {
            scope.spawn(move || feed(input, stdin.into()));
            scope.spawn(|| drain(stdout.into(), |bytes| output(false, bytes)));
            scope.spawn(|| drain(stderr.into(), |bytes| output(true, bytes)));
            let status = self.wait(exec);
            // What it left running would keep the pipes open; a container's end is the end of all of it.
            let killed = self.client.call(Request::KillExec { session: self.build, exec }, &[]);
            if !matches!(&killed, Ok(_) | Err(ClientError::Refused(_))) {
                killed?;
            }
            status
        })
    }

    fn wait(&mut self, ended: ExecNumber) -> Result<ExitStatus> {
        loop {
            match self.client.next_event(LONGEST)? {
                Some(Event::ExecEnded { session, exec, status })
                    if session == self.build && exec == ended =>
                {
                    return Ok(status);
                }
                Some(Event::InstanceEnded { session, out_of_memory, .. }) if session == self.build => {
                    let why = if out_of_memory { ": out of memory" } else { "" };
                    return Err(Error::Request(format!("the machine of the step ended{why}")));
                }
                Some(_) => {}
                None => return Err(Error::Request("a command took longer than a day".to_owned())),
            }
        }
    }

    /// Extracts a tar that `write` makes, below a folder that is made if it is missing. No folder takes the place of
    /// something else, nor the other way round.
    pub(super) fn put(
        &mut self,
        folder: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    ) -> Result<()> {
        self.extract(folder, true, write)
    }

    /// As [`Self::put`]; whether folders and others keep their places is chosen.
    pub(super) fn extract(
        &mut self,
        folder: &str,
        no_overwrite_dir_non_dir: bool,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    ) -> Result<()> {
        let (from, to) = pipe()?;
        let options = ArchiveOptions { no_overwrite_dir_non_dir, copy_uid_gid: true, make_parents: true };
        let path = folder.to_owned();
        let request = Request::PutArchive { session: self.build, instance: index()?, path, options };
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let mut to = io::BufWriter::with_capacity(256 * 1024, to);
                write(&mut to).and_then(|()| to.flush())
            });
            let called = self.client.call(request, &[from.as_fd()]);
            drop(from);
            let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended")));
            match (called, written) {
                (Ok(_), Ok(())) => Ok(()),
                // What the worker says of a tar that ended early follows from this.
                (_, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(Error::io("read the files to copy")(error))
                }
                (Err(error), _) => Err(error.into()),
                (Ok(_), Err(error)) => Err(Error::io("copy files")(error)),
            }
        })
    }

    /// Reads the tar of a path; `None` when nothing is there.
    pub(super) fn get<T: Send>(
        &mut self,
        path: &str,
        read: impl FnOnce(File) -> Result<T> + Send,
    ) -> Result<Option<T>> {
        let request = Request::GetArchive { session: self.build, instance: index()?, path: path.to_owned() };
        let Some((_, read)) = known(self.receive(request, read))? else { return Ok(None) };
        Ok(Some(read))
    }

    /// What is at a path, after its last link if it ends with a slash; `None` for nothing.
    pub(super) fn stat(&mut self, path: &str) -> Result<Option<PathStat>> {
        let request = Request::StatPath { session: self.build, instance: index()?, path: path.to_owned() };
        match known(self.client.call(request, &[]).map_err(Error::from))? {
            Some((Reply::PathStat(stat), _)) => Ok(Some(stat)),
            Some(_) => Err(ClientError::WrongReply.into()),
            None => Ok(None),
        }
    }

    /// Reads what has changed, as the tar of a layer.
    pub(super) fn diff<T: Send>(
        &mut self,
        clamp_unix: Option<i64>,
        read: impl FnOnce(File) -> Result<T> + Send,
    ) -> Result<T> {
        let request = Request::Diff { session: self.build, instance: index()?, clamp_unix };
        Ok(self.receive(request, read)?.1)
    }

    /// One thread reads while the call is under way. The call's own failure is the one to tell.
    fn receive<T: Send>(
        &mut self,
        request: Request,
        read: impl FnOnce(File) -> Result<T> + Send,
    ) -> Result<(Reply, T)> {
        let (from, to) = pipe()?;
        thread::scope(|scope| {
            let reader = scope.spawn(move || read(from));
            let called = self.client.call(request, &[to.as_fd()]);
            drop(to);
            let read = reader.join().unwrap_or_else(|_| Err(Error::Request("the thread ended".to_owned())));
            let (reply, _) = called?;
            Ok((reply, read?))
        })
    }
}

impl Drop for BuildMachine<'_> {
    fn drop(&mut self) {
        // If the connection is broken, the machine has ended with it.
        self.client.call(Request::EndSession { session: self.build, reason: EndReason::Closed }, &[]).ok();
    }
}

fn index() -> Result<InstanceIndex> {
    InstanceIndex::try_from(0).map_err(|error| Error::Request(error.to_string()))
}

fn pipe() -> Result<(File, File)> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::io("make a pipe")(errno.into()))?;
    Ok((from.into(), to.into()))
}

/// Nothing at a path is an answer.
fn known<T>(called: Result<T>) -> Result<Option<T>> {
    match called {
        Err(Error::Supervisor(ClientError::Refused(refusal))) if refusal.kind == RefusalKind::Unknown => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn feed(input: Option<File>, mut to: File) {
    if let Some(mut input) = input {
        // A command need not read what it is given.
        io::copy(&mut input, &mut to).ok();
    }
}

fn drain(mut from: File, each: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        each(buffer.get(..length).unwrap_or_default());
    }
}
