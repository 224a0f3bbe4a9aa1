//! The reaper's program, where nothing inside a container can change it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Linux 6.3 and newer want to be told that a memfd is a program.
const MFD_EXEC: MFdFlags = MFdFlags::from_bits_retain(0x10);

/// A sealed copy of a static program in memory. Pid 1 can open its own program as `/proc/1/exe`, so this must not be
/// the host's file; one copy serves every instance of the node, and they share its pages.
///
/// # Errors
/// What reading the file or making the memfd gives.
pub fn load(path: &Path) -> io::Result<OwnedFd> {
    let mut program = File::open(path)?;
    let mut copy = File::from(create()?);
    io::copy(&mut program, &mut copy)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals))?;
    // A program that is open for writing anywhere cannot be executed.
    let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
    Ok(File::open(path)?.into())
}

fn create() -> Result<OwnedFd, Errno> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(c"sandlot-reaper", flags | MFD_EXEC) {
        Err(Errno::EINVAL) => memfd_create(c"sandlot-reaper", flags),
        result => result,
    }
}
