//! `create` and `run`: from a bundle to a container whose process is set up, and waits or runs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use super::attendant::Creation;
use super::bundle::Bundle;
use super::cgroup::{CgroupOptions, FirstGroup, Placed};
use super::error::Error;
use super::foreground::{self, Foreground};
use super::record::{Record, write_whole};
use super::root::Root;
use super::systemd::UnitGroup;
use super::{clock, delete, maps, sources, start};
use crate::container::{self, Started};
use crate::init::{Group, Resources};
use crate::process::seccomp::{Filter, cache};
use crate::spec::{Plan, ProcessPlan};
use crate::sys::capability;

/// How a container is made.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// Folder of the bundle.
    pub bundle: PathBuf,
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// Who gets the terminal.
    pub console_socket: Option<PathBuf>,
    /// Whether the caller goes away while the container runs.
    pub detach: bool,
    /// Whether the container stays after its end.
    pub keep: bool,
    /// Moves the root instead of pivoting to it.
    pub no_pivot: bool,
    /// Leaves the session keyring of the caller in place.
    pub no_new_keyring: bool,
    /// Descriptors from 3 on that the program inherits.
    pub preserve_fds: u32,
    /// How the cgroup is found.
    pub cgroup: CgroupOptions,
}

/// Sets a container up; its program waits for `start`. Returns warnings.
///
/// # Errors
/// When it cannot be made; nothing is left then.
pub fn create(root: &Root, id: &str, options: &CreateOptions) -> Result<Vec<String>, Error> {
    let options = CreateOptions { detach: true, ..options.clone() };
    let made = make(root, id, &options, true)?;
    Ok(made.warnings)
}

/// Sets a container up and lets its program run; unless detached, waits for its end and deletes it. Returns the program's
/// exit status, and warnings.
///
/// # Errors
/// When it cannot be made or deleted.
pub fn run(root: &Root, id: &str, options: &CreateOptions) -> Result<(i32, Vec<String>), Error> {
    let made = make(root, id, options, false)?;
    let poststart = start::run_poststart(&made.record, &made.bundle.plan);
    if let (Err(error), false) = (&poststart, options.keep) {
        drop(delete::destroy(&made.record));
        return Err(Error::said(error.to_string()));
    }
    poststart?;
    if options.detach {
        return Ok((0, made.warnings));
    }
    let status = made.foreground.wait(&made.started)?;
    if !options.keep {
        delete::destroy(&made.record)?;
    }
    Ok((status, made.warnings))
}

struct Made {
    bundle: Bundle,
    record: Record,
    started: Started,
    foreground: Foreground,
    warnings: Vec<String>,
}

fn make(root: &Root, id: &str, options: &CreateOptions, waits: bool) -> Result<Made, Error> {
    let pid_file = options
        .pid_file
        .as_deref()
        .map(std::path::absolute)
        .transpose()
        .map_err(Error::file("find", "pid-file"))?;
    let mut bundle = Bundle::open(&options.bundle)?;
    let listening = foreground::listening();
    if listening > 0 {
        bundle.plan.add_variables(&[format!("LISTEN_FDS={listening}"), "LISTEN_PID=1".to_owned()]);
    }
    check_terminal(bundle.plan.process(), options)?;
    let preserved = foreground::check_preserved(listening, options.preserve_fds)?;
    if !geteuid().is_root() && !bundle.plan.namespaces().has(CloneFlags::CLONE_NEWUSER) {
        return Err(Error::said("rootless container requires user namespaces"));
    }
    let rootfs = bundle.rootfs()?;
    let placed = Placed::locate(&bundle.plan, id, &options.cgroup)?;
    let folder = root.reserve(id)?;
    let record = Record {
        oci_version: bundle.spec.version().clone(),
        id: id.to_owned(),
        pid: 0,
        start_time: 0,
        bundle: bundle.path.clone(),
        rootfs,
        created: clock::now(),
        annotations: bundle.spec.annotations().clone().unwrap_or_default(),
        placed,
        private_pids: bundle.plan.namespaces().is_new(CloneFlags::CLONE_NEWPID),
        folder,
    };
    let folder = record.folder.clone();
    let made = make_in(root, bundle, record, options, preserved, waits).inspect_err(|_| {
        // The first failure is the one to tell.
        let _partly = delete::remove_folder(&folder);
    })?;
    match pid_file.map_or(Ok(()), |file| write_pid(&file, made.record.pid)) {
        Ok(()) => Ok(made),
        Err(error) => {
            let _partly = delete::end(&made.record).and_then(|()| delete::destroy(&made.record));
            Err(error)
        }
    }
}

fn make_in(
    root: &Root,
    bundle: Bundle,
    record: Record,
    options: &CreateOptions,
    preserved: u32,
    waits: bool,
) -> Result<Made, Error> {
    write_whole(&record.folder.join("config.json"), &bundle.text)?;
    let plan = &bundle.plan;
    let placed = record.placed.clone();
    let power = capability::get().unwrap_or_default();
    let privileged = power.effective >> CAP_SYS_ADMIN & 1 == 1;
    let foreground = Foreground::prepare(plan.process(), options.console_socket.as_deref(), options.detach)?;
    let sources = sources::open(plan, privileged)?;
    let filter = compile(root, plan.seccomp())?;
    let annotations = &record.annotations.clone();
    let group = NewGroup::of(&placed, plan, annotations)?;
    let fifo = waits.then(|| make_fifo(&record)).transpose()?;
    let rootfs = open(&record.rootfs, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::file("open", &record.rootfs)(errno.into()))?;
    let view = record.placed.view(plan)?;
    let (record, warnings) = (RefCell::new(record), RefCell::new(group.warnings()));
    let hook_state = record.borrow().clone();
    let resources = Resources {
        rootfs: Some(rootfs.as_fd()),
        group: Some(group.as_group()),
        filter: filter.as_ref(),
        sources: &sources,
        cgroup_view: &view,
        console: foreground.console.as_ref().map(AsFd::as_fd),
        fifo: fifo.as_ref().map(AsFd::as_fd),
        preserved,
        new_keyring: !options.no_new_keyring,
        pivot: !options.no_pivot,
        sets_groups: maps::sets_groups(plan),
        hook_state: Some(&hook_state),
        ..Resources::bare()
    };
    let writer = if privileged { maps::Writer::Root } else { maps::Writer::User };
    let attendant = Creation { plan, record: &record, warnings: &warnings, maps: writer };
    let started = container::attended(plan, &resources, &attendant)?;
    group.keep();
    drop(group);
    let (record, warnings) = (record.into_inner(), warnings.into_inner());
    let foreground = foreground.started()?;
    Ok(Made { bundle, record, started, foreground, warnings })
}

const CAP_SYS_ADMIN: u32 = 21;

/// The group of a new container, by whoever makes it.
enum NewGroup<'a> {
    Files(FirstGroup),
    Unit(UnitGroup<'a>),
}

impl<'a> NewGroup<'a> {
    fn of(
        placed: &'a Placed,
        plan: &'a Plan,
        annotations: &'a HashMap<String, String>,
    ) -> Result<Self, Error> {
        match placed.scope() {
            Some(scope) => Ok(Self::Unit(UnitGroup::new(placed, scope, plan, annotations))),
            None => Ok(Self::Files(placed.create(plan)?)),
        }
    }

    fn as_group(&self) -> &dyn Group {
        match self {
            Self::Files(group) => group,
            Self::Unit(group) => group,
        }
    }

    fn warnings(&self) -> Vec<String> {
        match self {
            Self::Files(group) => group.warnings().to_vec(),
            Self::Unit(_) => Vec::new(),
        }
    }

    fn keep(&self) {
        match self {
            Self::Files(group) => group.keep(),
            Self::Unit(group) => group.keep(),
        }
    }
}

/// Terminals need somebody to hold them.
pub(super) fn check_terminal(process: &ProcessPlan, options: &CreateOptions) -> Result<(), Error> {
    let (detach, socket) = (options.detach, options.console_socket.is_some());
    if detach && process.terminal.is_some() && !socket {
        return Err(Error::said("cannot allocate tty if runc will detach without setting console socket"));
    }
    if (!detach || process.terminal.is_none()) && socket {
        return Err(Error::said("cannot use console socket if runc will not detach or allocate tty"));
    }
    Ok(())
}

pub(super) fn compile(
    root: &Root,
    profile: Option<&oci_spec::runtime::LinuxSeccomp>,
) -> Result<Option<Filter>, Error> {
    let Some(profile) = profile else { return Ok(None) };
    Ok(Some(cache::compile(&root.filters(), profile)?))
}

fn make_fifo(record: &Record) -> Result<OwnedFd, Error> {
    let path = record.fifo();
    let make = || {
        mkfifo(&path, Mode::from_bits_truncate(0o600))?;
        // Both ends: it neither waits for a writer now nor sees an end when one goes away.
        open(&path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
    };
    make().map_err(|errno| Error::file("make", &path)(errno.into()))
}

/// The file appears with its content.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<(), Error> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let part = path.with_file_name(name);
    let write = || {
        fs::write(&part, pid.to_string())?;
        fs::rename(&part, path)
    };
    write().map_err(Error::file("open", path))
}
