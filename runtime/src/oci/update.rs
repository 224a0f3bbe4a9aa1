//! `update`: other limits for a container.

use oci_spec::runtime::LinuxResources;

use super::error::Error;
use super::record::Record;
use super::status::Status;

/// Puts limits in force. Devices stay as they are: an engine may have changed them by itself.
///
/// # Errors
/// When the container has stopped, or the kernel refuses a limit.
pub fn update(record: &Record, resources: &LinuxResources) -> Result<(), Error> {
    if record.status() == Status::Stopped {
        return Err(Error::said("container not running"));
    }
    record.placed.update(resources)
}
