//! The work inside a running instance: as root of its session, in its mounts, with no way out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, readlinkat};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::chdir;

use super::child::{self, Kept};
use super::error::Error;
use super::extract::{Extraction, Policy};
use super::name::inside as resolved;
use super::stream::{Input, Output};
use super::walk::Walk;
use crate::cgroup::{Leaf, Seat};
use crate::rootfs::path;
use crate::supervisor::protocol::{ArchiveOptions, PathStat};
use crate::sys::capability::{self, Sets};

/// What root of a session needs for files: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID and SETFCAP.
const FILE_CAPABILITIES: u64 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 31;

/// A running instance.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Its pid 1.
    pub init: BorrowedFd<'a>,
    /// Its group: what is written inside counts as the instance's.
    pub leaf: &'a Leaf,
}

/// Extracts a tar below a folder of the instance.
///
/// # Errors
/// With the path or the entry at fault.
pub fn put(
    instance: &Instance<'_>,
    at: &str,
    options: ArchiveOptions,
    tar: BorrowedFd<'_>,
) -> Result<(), Error> {
    in_child(instance, Some(tar), |root| {
        let at = absolute(at)?;
        let what = || format!("extract to `{}`", at.display());
        let folder = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match options.make_parents {
            true => path::make_folder(root, &at),
            false => path::open(root, &at, folder),
        }
        .map_err(Error::system(what()))?;
        let ArchiveOptions { no_overwrite_dir_non_dir, copy_uid_gid, .. } = options;
        let policy = Policy::Files { no_overwrite_dir_non_dir, copy_uid_gid };
        let extraction = Extraction::new(root, &at, policy);
        let tar = tar.try_clone_to_owned().map_err(|error| Error::io(what(), &error))?;
        extraction.run(&mut buffered(tar)).map(drop).map_err(|error| Error::io(what(), &error))
    })
}

fn buffered(tar: OwnedFd) -> std::io::BufReader<Input> {
    std::io::BufReader::with_capacity(64 * 1024, Input::from(tar))
}

/// Writes what is at a path as a tar.
///
/// # Errors
/// With the path at fault.
pub fn get(instance: &Instance<'_>, from: &str, out: BorrowedFd<'_>) -> Result<PathStat, Error> {
    in_child(instance, Some(out), |root| {
        let what = || format!("archive `{from}`");
        let found = Found::at(root, from)?;
        let out = out.try_clone_to_owned().map_err(|error| Error::io(what(), &error))?;
        let mut walk = Walk::new(Output::from(out), None);
        walk.from(&found.folder, &found.name, found.archive_name())
            .and_then(|()| walk.end())
            .map_err(|error| Error::io(what(), &error))?;
        found.stat()
    })
}

/// Looks at a path.
///
/// # Errors
/// With the path at fault.
pub fn stat(instance: &Instance<'_>, path: &str) -> Result<PathStat, Error> {
    in_child(instance, None, |root| Found::at(root, path)?.stat())
}

fn in_child<T: serde::Serialize + serde::de::DeserializeOwned>(
    instance: &Instance<'_>,
    stream: Option<BorrowedFd<'_>>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let seats =
        instance.leaf.seats().map_err(|_| Error::invalid("enter the group of the instance: it has ended"))?;
    let descriptors: Vec<_> = seats.iter().map(AsFd::as_fd).chain([instance.init]).chain(stream).collect();
    let enter_and_work = |kept: Kept<'_>| {
        let root = enter(kept, instance.init, &seats).map_err(Error::system("enter the instance"))?;
        work(root.as_fd())
    };
    child::run(&descriptors, instance.leaf.clone_into_fd(), enter_and_work, |_| {})
}

fn enter(kept: Kept<'_>, init: BorrowedFd<'_>, seats: &[Seat]) -> nix::Result<OwnedFd> {
    kept.only()?;
    seats.iter().try_for_each(Seat::take).map_err(|_| Errno::ESRCH)?;
    setns(init, CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    kept.become_root()?;
    capability::set(Sets { effective: FILE_CAPABILITIES, permitted: FILE_CAPABILITIES, inheritable: 0 })?;
    chdir("/")?;
    open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// What a path leads to, by the folder that it is in.
struct Found {
    folder: OwnedFd,
    /// Its name there; `.` for the folder itself.
    name: PathBuf,
    /// The path, without `.` and empty parts.
    path: PathBuf,
    /// Whether the path asks for the content of a folder instead of the folder.
    is_content: bool,
    status: FileStat,
}

impl Found {
    fn at(root: BorrowedFd<'_>, text: &str) -> Result<Self, Error> {
        let path = absolute(text)?;
        let what = || format!("look at `{}`", path.display());
        let is_content = text.ends_with("/.") || path == Path::new("/");
        let follow = text.ends_with('/') || is_content;
        let (above, name) = match (path.parent(), path.file_name()) {
            (Some(above), Some(name)) if !follow => (above.to_owned(), PathBuf::from(name)),
            _ => (path.clone(), PathBuf::from(".")),
        };
        // Nothing can be below what is no folder.
        let missing = |errno| if errno == Errno::ENOTDIR { Errno::ENOENT } else { errno };
        let folder = path::open(root, &above, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
            .map_err(|errno| Error::system(what())(missing(errno)))?;
        let status = fstatat(&folder, &name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(Error::system(what()))?;
        Ok(Self { folder, name, path, is_content, status })
    }

    /// The name that everything in the archive begins with.
    fn archive_name(&self) -> Vec<u8> {
        match self.path.file_name() {
            Some(name) if !self.is_content => name.as_bytes().to_vec(),
            _ => b".".to_vec(),
        }
    }

    fn stat(&self) -> Result<PathStat, Error> {
        let name = self.path.file_name().map_or("/".into(), |name| name.to_string_lossy());
        Ok(PathStat {
            name: name.into_owned(),
            size: u64::try_from(self.status.st_size).unwrap_or(0),
            mode: self.status.st_mode,
            mtime: self.status.st_mtime,
            mtime_nanoseconds: u32::try_from(self.status.st_mtime_nsec).unwrap_or(0),
            uid: self.status.st_uid,
            gid: self.status.st_gid,
            link_target: self.link_target()?,
        })
    }

    fn link_target(&self) -> Result<String, Error> {
        if !path::is_kind(&self.status, SFlag::S_IFLNK) {
            return Ok(String::new());
        }
        let target = readlinkat(&self.folder, &self.name).map_err(Error::system("read a link"))?;
        let full = self.path.parent().unwrap_or(Path::new("/")).join(target);
        let below_root = from_root(&full);
        Ok(Path::new("/").join(below_root).to_string_lossy().into_owned())
    }
}

/// A path from the root; what leads above the root stays there.
fn from_root(path: &Path) -> PathBuf {
    let mut done = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => done.push(name),
            std::path::Component::ParentDir => drop(done.pop()),
            _ => {}
        }
    }
    done
}

/// The path from the instance's root, without `.` and empty parts.
fn absolute(text: &str) -> Result<PathBuf, Error> {
    let refused =
        || Error::invalid(format!("path `{}`: it is too long or holds a zero byte", text.escape_debug()));
    // `..` is the kernel's to resolve: it may stand behind a link.
    match text.contains("..") {
        true if text.len() < 4096 && !text.contains('\0') => Ok(Path::new("/").join(text)),
        true => Err(refused()),
        false => resolved(text.as_bytes()).map(|path| Path::new("/").join(path)).ok_or_else(refused),
    }
}
