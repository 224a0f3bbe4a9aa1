//! Loading of system call filters.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;

const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
/// The filter holds for every thread of the process.
pub const FLAG_TSYNC: u32 = 1;
/// Every answer but that of plain permission is written to the kernel's log.
pub const FLAG_LOG: u32 = 1 << 1;
/// Leaves the processor's speculation as it is; without it older kernels make every program inside slow.
pub const FLAG_SPEC_ALLOW: u32 = 1 << 2;
/// A descriptor comes back, by which somebody else answers for the filter.
pub const FLAG_NEW_LISTENER: u32 = 1 << 3;
/// A thread that cannot follow is an error instead of its number, which would look like a descriptor.
pub const FLAG_TSYNC_ESRCH: u32 = 1 << 4;
/// Once the listener has taken a call up, only a deadly signal ends the wait for its answer.
pub const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// One instruction of a filter: `struct sock_filter` of the kernel.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub skip_if_true: u8,
    /// Instructions to skip when it does not.
    pub skip_if_false: u8,
    /// Its operand.
    pub operand: u32,
}

/// `struct sock_fprog` of the kernel.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Puts a filter over this thread and all that it starts, for ever. Needs no_new_privs or CAP_SYS_ADMIN. The listener
/// comes back with [`FLAG_NEW_LISTENER`] and only then; it is closed on exec. Allocates nothing.
///
/// # Errors
/// What `seccomp` gives: `EINVAL` for a flag that this kernel does not know or take together with others, `EBUSY` when
/// an older filter has a listener already; `E2BIG` for more instructions than the kernel takes; `ESRCH` when another
/// thread could not follow.
pub fn load(instructions: &[Instruction], flags: u32) -> Result<Option<OwnedFd>> {
    let length = u16::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: `program` has the kernel's layout, and points to `length` instructions that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            libc::c_ulong::from(flags),
            &raw const program,
        )
    };
    let result = Errno::result(result)?;
    if flags & FLAG_NEW_LISTENER != 0 {
        let fd = RawFd::try_from(result).map_err(|_| Errno::EBADF)?;
        // SAFETY: with this flag the kernel returns a new descriptor, which nobody else owns.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }));
    }
    if result == 0 { Ok(None) } else { Err(Errno::ESRCH) }
}

/// Whether this kernel knows the flags, together.
pub fn knows(flags: u32) -> bool {
    let no_program = std::ptr::null::<Program>();
    // SAFETY: the kernel looks at the flags first, and then fails to read a program at address zero.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, libc::c_ulong::from(flags), no_program)
    };
    Errno::result(result) == Err(Errno::EFAULT)
}
