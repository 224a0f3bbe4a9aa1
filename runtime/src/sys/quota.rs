//! Project quotas: a limit on all files of one project number.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;

const FS_IOC_FSGETXATTR: libc::c_ulong = 0x801c_581f;
const FS_IOC_FSSETXATTR: libc::c_ulong = 0x401c_5820;
const FS_XFLAG_PROJINHERIT: u32 = 0x200;
const Q_SETQUOTA: u32 = 0x0080_0008;
const PRJQUOTA: u32 = 2;
const QIF_BLIMITS: u32 = 1;
const QIF_ILIMITS: u32 = 4;
/// Unit of the block limits.
const BLOCK_BYTES: u64 = 1024;

/// `struct fsxattr` of the kernel.
#[repr(C)]
struct FileAttributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

/// `struct if_dqblk` of the kernel.
#[repr(C)]
struct Limits {
    block_hard: u64,
    block_soft: u64,
    space: u64,
    inode_hard: u64,
    inode_soft: u64,
    inodes: u64,
    block_time: u64,
    inode_time: u64,
    valid: u32,
}

/// Gives a folder a project number, which everything made in it from now on inherits.
///
/// # Errors
/// What the ioctls give.
pub fn set_project(folder: BorrowedFd<'_>, project: u32) -> Result<()> {
    let mut attributes = FileAttributes {
        flags: 0,
        extent_size: 0,
        extents: 0,
        project: 0,
        copy_extent_size: 0,
        padding: [0; 8],
    };
    // SAFETY: the request writes one structure of the kernel's layout, which is what the pointer leads to.
    let result = unsafe { libc::ioctl(folder.as_raw_fd(), FS_IOC_FSGETXATTR, &raw mut attributes) };
    Errno::result(result)?;
    attributes.flags |= FS_XFLAG_PROJINHERIT;
    attributes.project = project;
    // SAFETY: the request reads one structure of the kernel's layout, which is what the pointer leads to.
    let result = unsafe { libc::ioctl(folder.as_raw_fd(), FS_IOC_FSSETXATTR, &raw const attributes) };
    Errno::result(result).map(drop)
}

/// Limits a project's bytes and files on the file system of `folder`; zero is no limit.
///
/// # Errors
/// What `quotactl_fd` gives: `ESRCH` when the file system keeps no project quota.
pub fn limit_project(folder: BorrowedFd<'_>, project: u32, bytes: u64, files: u64) -> Result<()> {
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let limits = Limits {
        block_hard: blocks,
        block_soft: blocks,
        space: 0,
        inode_hard: files,
        inode_soft: files,
        inodes: 0,
        block_time: 0,
        inode_time: 0,
        valid: QIF_BLIMITS | QIF_ILIMITS,
    };
    let command = Q_SETQUOTA << 8 | PRJQUOTA;
    // SAFETY: the command reads one structure of the kernel's layout, which is what the pointer leads to.
    let result = unsafe {
        libc::syscall(libc::SYS_quotactl_fd, folder.as_raw_fd(), command, project, &raw const limits)
    };
    Errno::result(result).map(drop)
}
