//! Descriptors under tokio's poller.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::unix::AsyncFd;

/// Registers a descriptor that `inner` owns and keeps as it is.
///
/// # Errors
/// When the kernel cannot poll it.
#[expect(
    deprecated,
    reason = "its replacement is an unsafe function; the types passed here own one descriptor for life"
)]
pub(crate) fn watch<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(inner)
}
