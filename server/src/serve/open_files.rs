//! How many descriptors serve may open: two for a terminal and one for a viewer, so the usual 1,024 are soon used up.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one.
///
/// # Errors
/// When the kernel refuses; serve works with fewer terminals then.
pub(super) fn raise() -> nix::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}
