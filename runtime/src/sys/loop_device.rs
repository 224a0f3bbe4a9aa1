//! Loop devices: a file as a block device.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;

const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_GET_STATUS64: libc::c_ulong = 0x4C05;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_info64` of the kernel.
#[repr(C)]
struct Information {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encryption: [u32; 2],
    flags: u32,
    names: [[u8; 64]; 2],
    key: [u8; 32],
    init: [u64; 2],
}

impl Information {
    fn new(flags: u32) -> Self {
        Self {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encryption: [0; 2],
            flags,
            names: [[0; 64]; 2],
            key: [0; 32],
            init: [0; 2],
        }
    }
}

/// `struct loop_config` of the kernel.
#[repr(C)]
struct Configuration {
    file: u32,
    block_size: u32,
    information: Information,
    reserved: [u64; 8],
}

/// Whether the device goes past the page cache to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// It does, so that nothing is held in memory twice.
    Direct,
    /// It does not: some file systems cannot.
    Buffered,
}

/// Number of a device that is free now; someone else may take it at any time. `control` is `/dev/loop-control`.
///
/// # Errors
/// What the ioctl gives.
pub fn find_free(control: &File) -> Result<u32> {
    // SAFETY: this request takes no argument and touches no memory.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    Errno::result(number).map(i32::cast_unsigned)
}

/// Lets a free device stand for a file until its last user closes it.
///
/// # Errors
/// What the ioctl gives: `EBUSY` when the device is not free any more.
pub fn configure(device: &File, file: BorrowedFd<'_>, block_size: u32, caching: Caching) -> Result<()> {
    let direct = if caching == Caching::Direct { LO_FLAGS_DIRECT_IO } else { 0 };
    let configuration = Configuration {
        file: file.as_raw_fd().cast_unsigned(),
        block_size,
        information: Information::new(LO_FLAGS_AUTOCLEAR | direct),
        reserved: [0; 8],
    };
    // SAFETY: the request reads one structure of the kernel's layout, which is what the pointer leads to.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const configuration) };
    Errno::result(result).map(drop)
}

/// Device and inode of the file that a device stands for.
///
/// # Errors
/// What the ioctl gives: `ENXIO` when it stands for none.
pub fn backing_file(device: &File) -> Result<(u64, u64)> {
    let mut information = Information::new(0);
    // SAFETY: the request writes one structure of the kernel's layout, which is what the pointer leads to.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64, &raw mut information) };
    Errno::result(result).map(|_| (information.device, information.inode))
}
