//! Keyrings of this process.

use nix::Result;
use nix::errno::Errno;

const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;

/// Takes a new, anonymous session keyring in place of the inherited one.
///
/// # Errors
/// What `keyctl` gives; `ENOSYS` where the kernel has no keyrings.
pub fn join_new_session_keyring() -> Result<()> {
    let name = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring; the kernel reads no memory.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) };
    Errno::result(result).map(drop)
}
