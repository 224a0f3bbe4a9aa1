//! The steps of a program that joins an instance, from its first moment in the namespaces to exec.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, getcwd, pipe2, setsid};

use super::exec::JoinPlan;
use crate::cgroup::Seat;
use crate::failure::{Failure, StepError, during};
use crate::init::{ChildEnd, take_seats};
use crate::process::account::{self, Account};
use crate::process::environment;
use crate::process::{capabilities, limits, seccomp, user};
use crate::supervisor::protocol::Login;
use crate::sys::{close, keyring, signal};

/// What the steps work on.
pub(super) struct Program<'a> {
    join: &'a JoinPlan<'a>,
    seats: Vec<Seat>,
    sync: ChildEnd,
    root: Option<OwnedFd>,
    account: Account,
    environment: Vec<CString>,
}

struct Step {
    name: &'static str,
    run: fn(&mut Program<'_>) -> Result<(), Failure>,
}

/// Capabilities last: some of the steps before need them. The descriptors are opened as the user, so that they are
/// the user's.
const STEPS: &[Step] = &[
    Step { name: "close descriptors", run: close_descriptors },
    Step { name: "enter the root", run: enter_root },
    Step { name: "take a keyring", run: take_keyring },
    Step { name: "find the user", run: find_user },
    Step { name: "set limits", run: set_limits },
    Step { name: "reset signals", run: reset_signals },
    Step { name: "enter the cgroup", run: enter_cgroup },
    Step { name: "filter system calls", run: filter_system_calls },
    Step { name: "become the user", run: become_user },
    Step { name: "open the terminal", run: open_descriptors },
    Step { name: "enter the working directory", run: enter_cwd },
    Step { name: "exec the program", run: exec },
];

impl<'a> Program<'a> {
    pub(super) fn new(join: &'a JoinPlan<'a>, seats: Vec<Seat>, sync: ChildEnd) -> Self {
        Self { join, seats, sync, root: None, account: Account::root(), environment: Vec::new() }
    }

    /// Runs the steps; returns only when one failed, which the worker has been told by then.
    pub(super) fn run(mut self) {
        for step in STEPS {
            if let Err(failure) = (step.run)(&mut self) {
                // If the worker is gone nobody needs to hear it.
                let _unheard = self.sync.send_last_failure(&StepError::new(step.name, failure));
                return;
            }
        }
    }
}

/// A descriptor of the host would be a way out through `/proc/self/fd`, also for the working directory.
fn close_descriptors(program: &mut Program<'_>) -> Result<(), Failure> {
    let keep: Vec<_> = program.seats.iter().map(AsFd::as_fd).chain([program.sync.as_fd()]).collect();
    close::close_all_but(&keep).map_err(during("close descriptors"))
}

/// `setns` has put this process at the root of the instance.
fn enter_root(program: &mut Program<'_>) -> Result<(), Failure> {
    user::become_user(0, 0, Some(&[])).map_err(during("become user 0"))?;
    chdir("/").map_err(during("enter `/`"))?;
    let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    program.root = Some(root.map_err(during("open `/`"))?);
    Ok(())
}

fn take_keyring(_: &mut Program<'_>) -> Result<(), Failure> {
    match keyring::join_new_session_keyring() {
        Ok(()) | Err(Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(during("join a session keyring")(errno)),
    }
}

fn find_user(program: &mut Program<'_>) -> Result<(), Failure> {
    let name = program.join.command.user.as_deref().unwrap_or(match program.join.login {
        Login::Root => "0",
        Login::Learner => "learner",
    });
    let root = root(program)?;
    program.account = account::find(root, name)?;
    program.environment = environment::build(
        &program.account,
        program.join.plan.hostname().unwrap_or_default(),
        program.join.command.defaults,
        &program.join.command.env,
    )?;
    Ok(())
}

fn set_limits(program: &mut Program<'_>) -> Result<(), Failure> {
    let process = program.join.plan.process();
    umask(Mode::from_bits_truncate(process.umask));
    limits::apply(&process.rlimits).map_err(during("set resource limits"))
}

fn reset_signals(_: &mut Program<'_>) -> Result<(), Failure> {
    signal::reset().map_err(during("clear the signal mask"))
}

fn enter_cgroup(program: &mut Program<'_>) -> Result<(), Failure> {
    program.sync.wait_for_go().map_err(during("wait for the worker"))?;
    take_seats(std::mem::take(&mut program.seats))
}

fn filter_system_calls(program: &mut Program<'_>) -> Result<(), Failure> {
    // A plan has no rule with a listener.
    seccomp::load(program.join.plan.seccomp(), program.join.filter).map(drop)
}

fn become_user(program: &mut Program<'_>) -> Result<(), Failure> {
    let process = program.join.plan.process();
    let account = &program.account;
    let sets = if account.uid == 0 { process.capabilities } else { process.capabilities.for_ordinary_user() };
    capabilities::apply_bounding(sets).map_err(during("lower the bounding set"))?;
    user::become_user(account.uid, account.gid, Some(&account.groups))
        .map_err(during(format!("become user {}", account.uid)))?;
    capabilities::apply(sets).map_err(during("set capabilities"))?;
    if process.no_new_privileges {
        nix::sys::prctl::set_no_new_privs().map_err(during("set no_new_privs"))?;
    }
    Ok(())
}

fn open_descriptors(program: &mut Program<'_>) -> Result<(), Failure> {
    setsid().map_err(during("start a process session"))?;
    match program.join.terminal {
        Some(size) => {
            let (ptmx, pts) = crate::process::terminal::open_controlling(size)?;
            take_standard([pts.as_fd(), pts.as_fd(), pts.as_fd()]).map_err(during("take the terminal"))?;
            program.sync.send_ready(&[ptmx.as_fd()]).map_err(during("hand the terminal over"))
        }
        None => {
            let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(during("make a pipe"));
            let ((stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr)) =
                (pipe()?, pipe()?, pipe()?);
            take_standard([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])
                .map_err(during("take the pipes"))?;
            let outer = [to_stdin.as_fd(), from_stdout.as_fd(), from_stderr.as_fd()];
            program.sync.send_ready(&outer).map_err(during("hand the pipes over"))
        }
    }
}

fn take_standard([stdin, stdout, stderr]: [BorrowedFd<'_>; 3]) -> Result<(), Errno> {
    dup2_stdin(stdin)?;
    dup2_stdout(stdout)?;
    dup2_stderr(stderr)
}

fn enter_cwd(program: &mut Program<'_>) -> Result<(), Failure> {
    match &program.join.command.cwd {
        Some(cwd) => chdir(cwd.as_str()).map_err(during(format!("enter `{}`", cwd.escape_debug())))?,
        // A user without a home stays at `/`.
        None => match chdir(program.account.home.as_path()) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => {}
            Err(errno) => return Err(during("enter the home directory")(errno)),
        },
    }
    check_cwd()
}

/// The kernel cannot name a folder outside the root, whatever way led there.
fn check_cwd() -> Result<(), Failure> {
    let cwd = getcwd().map_err(during("name the working directory"))?;
    if cwd.is_absolute() { Ok(()) } else { Err(during("stay inside the instance")(Errno::EXDEV)) }
}

fn exec(program: &mut Program<'_>) -> Result<(), Failure> {
    close::close_all_on_exec().map_err(during("mark descriptors"))?;
    let argv = &program.join.command.argv;
    let (file, args) = match argv.first() {
        None => program.account.login_shell()?,
        Some(first) => (first.clone(), environment::c_strings(argv)?),
    };
    let mut refused = Errno::ENOENT;
    for candidate in environment::candidates(&file, &program.environment) {
        let path = environment::c_string(&candidate)?;
        let Err(errno) = execve(&path, &args, &program.environment);
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => refused = errno,
            errno => return Err(during(format!("execute `{candidate}`"))(errno)),
        }
    }
    Err(during(format!("execute `{file}`"))(refused))
}

fn root<'p>(program: &'p Program<'_>) -> Result<BorrowedFd<'p>, Failure> {
    let root = program.root.as_ref().map(AsFd::as_fd);
    root.ok_or_else(|| during("use the root before it is entered")(Errno::ENOENT))
}
