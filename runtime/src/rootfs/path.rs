//! Paths inside a root: links are followed as the container would follow them, and never lead out of it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::UnlinkatFlags;

/// Opens what a path inside the root leads to.
///
/// # Errors
/// What `openat2` gives.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    loop {
        // EAGAIN: a rename somewhere raced with the walk, and the kernel could not tell that it stayed inside.
        match openat2(root, path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Opens only the place in the tree, not the file.
///
/// # Errors
/// What `openat2` gives.
pub fn open_path(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    open(root, path, OFlag::O_PATH)
}

/// Opens a folder's place in the tree where no root has to be kept: `.`, `..` and `/` of the runtime itself.
///
/// # Errors
/// What `openat` gives.
pub fn open_dir_at(folder: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    openat(folder, path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens a folder inside the root, making it and those above it where they are missing.
///
/// # Errors
/// What the kernel gives; `ENOTDIR` where something else stands in the way.
pub fn make_folder(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let folder = OFlag::O_PATH | OFlag::O_DIRECTORY;
    match open(root, path, folder) {
        Err(Errno::ENOENT) => {}
        result => return result,
    }
    let mut way = Way::new(path);
    let mut here = open(root, Path::new("/"), folder)?;
    while let Some(name) = way.next_name() {
        let done = way.done.join(&name);
        here = match open(root, &done, folder | OFlag::O_NOFOLLOW) {
            Err(Errno::ENOENT) => {
                mkdirat(here.as_fd(), name.as_os_str(), Mode::from_bits_truncate(0o755))?;
                openat(
                    here.as_fd(),
                    name.as_os_str(),
                    folder | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
                    Mode::empty(),
                )?
            }
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                way.follow(
                    &nix::fcntl::readlinkat(here.as_fd(), name.as_os_str()).map_err(|_| Errno::ENOTDIR)?,
                )?;
                here = open(root, &way.done, folder)?;
                continue;
            }
            result => result?,
        };
        way.done = done;
    }
    Ok(here)
}

/// Opens what a path inside the root leads to, and makes an empty file there, with the folders above it, where nothing
/// is. Only the place in the tree is opened.
///
/// # Errors
/// What the kernel gives.
pub fn make_file(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    match open_path(root, path) {
        Err(Errno::ENOENT) => {}
        result => return result,
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let name = path.file_name().ok_or(Errno::EISDIR)?;
        let folder = make_folder(root, path.parent().unwrap_or(Path::new("/")))?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(folder.as_fd(), name, flags, Mode::from_bits_truncate(0o755)) {
            // A link that leads to nothing.
            Err(Errno::EEXIST) => {
                let target = nix::fcntl::readlinkat(folder.as_fd(), name)?;
                path = path.parent().unwrap_or(Path::new("/")).join(target);
            }
            Err(errno) => return Err(errno),
            Ok(file) => {
                drop(file);
                let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                return openat(folder.as_fd(), name, flags, Mode::empty());
            }
        }
    }
    Err(Errno::ELOOP)
}

/// Links that are followed on the way to a missing file, as in the kernel.
const MAX_LINKS: usize = 40;

/// A walk along a path of which the end may be missing.
struct Way {
    /// Names still to go, the next one last.
    rest: Vec<OsString>,
    /// The folder that was reached, free of links.
    done: PathBuf,
    links: usize,
}

impl Way {
    fn new(path: &Path) -> Self {
        let mut way = Self { rest: Vec::new(), done: PathBuf::from("/"), links: 0 };
        way.push(path);
        way
    }

    fn push(&mut self, path: &Path) {
        let parts = path.components().rev().map(|part| part.as_os_str().to_owned());
        self.rest.extend(parts);
    }

    /// The next name that leads downwards.
    fn next_name(&mut self) -> Option<OsString> {
        while let Some(part) = self.rest.pop() {
            match Path::new(&part).components().next() {
                Some(Component::Normal(_)) => return Some(part),
                Some(Component::RootDir) => self.done = PathBuf::from("/"),
                Some(Component::ParentDir) => drop(self.done.pop()),
                _ => {}
            }
        }
        None
    }

    fn follow(&mut self, target: &OsStr) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        if Path::new(target).is_absolute() {
            self.done = PathBuf::from("/");
        }
        self.push(Path::new(target));
        Ok(())
    }
}

/// Puts a new regular file with this content at a name in a folder, in place of whatever stood there.
///
/// # Errors
/// What the kernel gives.
pub fn write_file(folder: BorrowedFd<'_>, name: &str, content: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    match nix::unistd::unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(folder, name, flags, mode)?;
    // The mask of this process would have cut the mode.
    nix::sys::stat::fchmod(&file, mode)?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = nix::unistd::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(file)
}

/// Reads a regular file inside the root, at most `limit` bytes of it. Anything else than a regular file is refused:
/// a pipe or device of the container's making could block this process.
///
/// # Errors
/// What the kernel gives; `EINVAL` when it is no regular file, `EFBIG` when it is longer.
pub fn read_file(root: BorrowedFd<'_>, path: &Path, limit: usize) -> Result<Vec<u8>, Errno> {
    let file = open(root, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
    if !is_kind(&fstat(&file)?, SFlag::S_IFREG) {
        return Err(Errno::EINVAL);
    }
    let mut content = vec![0; limit + 1];
    let mut filled = 0;
    while let Some(space) = content.get_mut(filled..).filter(|space| !space.is_empty()) {
        match nix::unistd::read(&file, space)? {
            0 => break,
            count => filled += count,
        }
    }
    content.truncate(filled);
    if filled > limit { Err(Errno::EFBIG) } else { Ok(content) }
}

/// Whether a file is of this kind.
pub fn is_kind(status: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == kind
}

/// Whether a name exists in a folder, as anything.
///
/// # Errors
/// What `fstatat` gives, apart from `ENOENT`.
pub fn exists(folder: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    match nix::sys::stat::fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
