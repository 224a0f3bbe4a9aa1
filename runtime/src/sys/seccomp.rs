//! Loading of system call filters.

use nix::Result;
use nix::errno::Errno;

const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
/// Leaves the processor's speculation as it is; without it older kernels make every program inside slow.
const SECCOMP_FILTER_FLAG_SPEC_ALLOW: libc::c_ulong = 4;

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

/// Puts a filter over this thread and all that it starts, for ever. Needs no_new_privs or CAP_SYS_ADMIN.
///
/// # Errors
/// What `seccomp` gives; `E2BIG` for more instructions than the kernel takes.
pub fn load(instructions: &[Instruction]) -> Result<()> {
    let length = u16::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: `program` has the kernel's layout, and points to `length` instructions that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    Errno::result(result).map(drop)
}
