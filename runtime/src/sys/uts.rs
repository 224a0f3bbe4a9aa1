//! Names of the uts namespace.

use nix::Result;
use nix::errno::Errno;

/// Sets the NIS domain name.
///
/// # Errors
/// What `setdomainname` gives.
pub fn set_domain_name(name: &str) -> Result<()> {
    // SAFETY: the pointer and the length are those of one live text.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}
