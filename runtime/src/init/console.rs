//! Steps about standard input and output: the terminal, where the plan asks for one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::{Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown};

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::rootfs::{devices, path};
use crate::sys::{packet, terminal};

const DEVPTS_MAGIC: u64 = 0x1cd1;

/// Opens a terminal of the container's own devpts and sends its ptmx to whoever waits at the console socket.
pub(super) fn open(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let Some(size) = stage.plan.process().terminal else { return Ok(()) };
    let Some(socket) = stage.resources.console else {
        return Err(during("open a terminal without a console socket")(Errno::ENOTCONN));
    };
    let (ptmx, name) = open_ptmx(stage.root()?).map_err(during("open `/dev/pts/ptmx`"))?;
    terminal::unlock(ptmx.as_fd()).map_err(during("unlock the terminal"))?;
    let pts = terminal::open_peer(ptmx.as_fd()).map_err(during("open the terminal's pts"))?;
    if let Some((rows, cols)) = size {
        terminal::set_size(pts.as_fd(), rows, cols).map_err(during("set the terminal's size"))?;
    }
    if stage.resources.rootfs.is_some() {
        devices::bind_console(stage.root()?, pts.as_fd())?;
    }
    packet::send(socket, name.as_bytes(), &[ptmx.as_fd()])
        .map_err(|error| during("send the terminal")(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    stage.terminal = Some(pts);
    Ok(())
}

/// Whoever made the image can have put anything there: what is opened is checked before it is used. Returns the name of
/// the pts, too.
fn open_ptmx(root: BorrowedFd<'_>) -> Result<(OwnedFd, String), Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let ptmx = match path::open(root, Path::new("/dev/pts/ptmx"), flags) {
        Err(Errno::ENOENT | Errno::EACCES) => path::open(root, Path::new("/dev/ptmx"), flags)?,
        result => result?,
    };
    let is_devpts = fstatfs(&ptmx)?.filesystem_type() == FsType(DEVPTS_MAGIC as _);
    if !is_devpts || !path::is_kind(&fstat(&ptmx)?, SFlag::S_IFCHR) {
        return Err(Errno::ENXIO);
    }
    let number = terminal::number(ptmx.as_fd())?;
    Ok((ptmx, format!("/dev/pts/{number}")))
}

/// Makes the terminal controlling and the three standard descriptors lead to it. A machine's lead nowhere, since they are
/// the supervisor's; every other container keeps those that the runtime was given.
pub(super) fn set_standard(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if let Some(pts) = stage.terminal.take() {
        terminal::make_controlling(pts.as_fd()).map_err(during("make the terminal controlling"))?;
        replace(pts.as_fd()).map_err(during("take the terminal"))?;
    } else if stage.resources.identity.is_some() {
        let null = path::open(stage.root()?, Path::new("/dev/null"), OFlag::O_RDWR)
            .map_err(during("open `/dev/null`"))?;
        replace(null.as_fd()).map_err(during("replace standard input and output"))?;
        return Ok(());
    }
    give_to_user(stage)
}

fn replace(file: BorrowedFd<'_>) -> Result<(), Errno> {
    dup2_stdin(file).and_then(|()| dup2_stdout(file)).and_then(|()| dup2_stderr(file))
}

/// A program that is not root's must be able to open `/dev/stdout` again. Only pipes, sockets and the container's own
/// terminal change their owner; a device or a file of the host never does.
fn give_to_user(stage: &Stage<'_>) -> Result<(), Failure> {
    let process = stage.plan.process();
    let (uid, gid) = (Uid::from_raw(process.uid), Gid::from_raw(process.gid));
    let has_terminal = process.terminal.is_some();
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for file in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        let Ok(status) = fstat(file) else { continue };
        let is_own = path::is_kind(&status, SFlag::S_IFIFO)
            || path::is_kind(&status, SFlag::S_IFSOCK)
            || has_terminal && path::is_kind(&status, SFlag::S_IFCHR);
        if status.st_uid == process.uid || !is_own {
            continue;
        }
        // The group of a terminal is that of its devpts: gid 5 in most containers.
        let group = (!has_terminal).then_some(gid);
        match fchown(file, Some(uid), group) {
            // Not mapped here, or nothing of ours: then the program has to live with it.
            Ok(()) | Err(Errno::EINVAL | Errno::EPERM | Errno::EROFS) => {}
            Err(errno) => return Err(during("give standard input and output to the user")(errno)),
        }
    }
    Ok(())
}
