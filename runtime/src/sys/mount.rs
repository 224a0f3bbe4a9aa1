//! Mounts by descriptor: the calls that came with Linux 5.2 to 5.12.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;

/// Read-only.
pub const MOUNT_ATTR_RDONLY: u64 = 0x1;
/// setuid and file capabilities do not work.
pub const MOUNT_ATTR_NOSUID: u64 = 0x2;
/// Device nodes do not work.
pub const MOUNT_ATTR_NODEV: u64 = 0x4;
/// Nothing can be executed.
pub const MOUNT_ATTR_NOEXEC: u64 = 0x8;
/// Access times are not kept.
pub const MOUNT_ATTR_NOATIME: u64 = 0x10;
/// The bits of the access time, which is one value; none of them is relatime.
pub const MOUNT_ATTR_ATIME: u64 = 0x70;
/// Access times are always kept.
pub const MOUNT_ATTR_STRICTATIME: u64 = 0x20;
/// Access times of folders are not kept.
pub const MOUNT_ATTR_NODIRATIME: u64 = 0x80;
/// Links are not followed.
pub const MOUNT_ATTR_NOSYMFOLLOW: u64 = 0x0020_0000;
/// Mounts made here appear in the peers, and the other way round.
pub const MS_SHARED: u64 = 1 << 20;
/// Mounts made in the master appear here.
pub const MS_SLAVE: u64 = 1 << 19;
/// Mounts stay where they are made.
pub const MS_PRIVATE: u64 = 1 << 18;
/// As private, and cannot be bound.
pub const MS_UNBINDABLE: u64 = 1 << 17;
/// Owners are mapped by a user namespace.
pub const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

const OPEN_TREE_CLONE: libc::c_int = 1;
const AT_RECURSIVE: libc::c_int = 0x8000;
const FSOPEN_CLOEXEC: libc::c_int = 1;
const FSMOUNT_CLOEXEC: libc::c_int = 1;
const FSCONFIG_SET_FLAG: libc::c_int = 0;
const FSCONFIG_SET_STRING: libc::c_int = 1;
const FSCONFIG_CMD_CREATE: libc::c_int = 6;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_int = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_int = 0x40;

/// `struct mount_attr` of the kernel.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Begins a new file system of this kind.
///
/// # Errors
/// What `fsopen` gives.
pub fn fsopen(kind: &CStr) -> Result<OwnedFd> {
    // SAFETY: `kind` is a live C string.
    let fd = unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) };
    own(fd)
}

/// Sets an option that has a value.
///
/// # Errors
/// What `fsconfig` gives.
pub fn fsconfig_string(context: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    fsconfig(context, FSCONFIG_SET_STRING, Some(key), Some(value))
}

/// Sets an option that has no value.
///
/// # Errors
/// What `fsconfig` gives.
pub fn fsconfig_flag(context: BorrowedFd<'_>, key: &CStr) -> Result<()> {
    fsconfig(context, FSCONFIG_SET_FLAG, Some(key), None)
}

/// Makes the file system with the options set so far.
///
/// # Errors
/// What `fsconfig` gives.
pub fn fsconfig_create(context: BorrowedFd<'_>) -> Result<()> {
    fsconfig(context, FSCONFIG_CMD_CREATE, None, None)
}

fn fsconfig(
    context: BorrowedFd<'_>,
    command: libc::c_int,
    key: Option<&CStr>,
    value: Option<&CStr>,
) -> Result<()> {
    let key = key.map_or(std::ptr::null(), CStr::as_ptr);
    let value = value.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: both pointers are null, which these commands allow where nothing is given, or live C strings.
    let result = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    Errno::result(result).map(drop)
}

/// A detached mount of the file system, with `MOUNT_ATTR_*` attributes.
///
/// # Errors
/// What `fsmount` gives.
pub fn fsmount(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    // SAFETY: the call touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) };
    own(fd)
}

/// A detached copy of the mount at a path, as a bind mount makes it. An empty path means `folder` itself.
///
/// # Errors
/// What `open_tree` gives.
pub fn open_tree(folder: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    copy_tree(folder, path, libc::AT_SYMLINK_NOFOLLOW)
}

/// As [`open_tree`], with all mounts below, and following a link at the end.
///
/// # Errors
/// What `open_tree` gives.
pub fn open_tree_recursive(folder: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    copy_tree(folder, path, AT_RECURSIVE)
}

/// As [`open_tree`], following a link at the end.
///
/// # Errors
/// What `open_tree` gives.
pub fn open_tree_following(folder: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    copy_tree(folder, path, 0)
}

fn copy_tree(folder: BorrowedFd<'_>, path: &CStr, flags: libc::c_int) -> Result<OwnedFd> {
    let flags = flags | OPEN_TREE_CLONE | libc::O_CLOEXEC | libc::AT_EMPTY_PATH;
    // SAFETY: `path` is a live C string.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, folder.as_raw_fd(), path.as_ptr(), flags) };
    own(fd)
}

/// What [`change`] does to a mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// Bits to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0 to leave the propagation as it is.
    pub propagation: u64,
    /// With `MOUNT_ATTR_IDMAP`, the user namespace that maps the owners.
    pub userns: Option<BorrowedFd<'a>>,
    /// Whether it is done to all mounts below, too.
    pub recursive: bool,
}

/// Changes a mount, which is given by its root.
///
/// # Errors
/// What `mount_setattr` gives.
pub fn change(mount: BorrowedFd<'_>, change: &Change<'_>) -> Result<()> {
    let attributes = MountAttr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: change.userns.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    let flags = libc::AT_EMPTY_PATH | if change.recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a static C string, and the structure has the kernel's layout and the size that is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Adds attributes to a mount; with `MOUNT_ATTR_IDMAP`, `userns` is the user namespace that maps the owners.
///
/// # Errors
/// What `mount_setattr` gives.
pub fn set_attributes(mount: BorrowedFd<'_>, attributes: u64, userns: Option<BorrowedFd<'_>>) -> Result<()> {
    change(mount, &Change { set: attributes, userns, ..Change::default() })
}

/// Whether this is the root of a mount.
///
/// # Errors
/// What `statx` gives.
pub fn is_mount_root(file: BorrowedFd<'_>) -> Result<bool> {
    let mut status = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a static C string, and the kernel fills one structure, which is live.
    let result = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_TYPE,
            status.as_mut_ptr(),
        )
    };
    Errno::result(result)?;
    // SAFETY: all zeroes is a value of this structure of integers, and the kernel has filled it.
    let status = unsafe { status.assume_init() };
    Ok(status.stx_attributes & libc::STATX_ATTR_MOUNT_ROOT as u64 != 0)
}

/// Attaches a detached mount on what `target` is.
///
/// # Errors
/// What `move_mount` gives.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: both paths are static C strings.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop)
}

fn own(result: libc::c_long) -> Result<OwnedFd> {
    let fd = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just returned this descriptor as a new one, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
