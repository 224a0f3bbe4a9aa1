//! `pause` and `resume`: freezes a container and thaws it.

use super::error::Error;
use super::record::Record;
use super::status::Status;

/// Freezes every process of a container.
///
/// # Errors
/// When it does not run, or the kernel refuses.
pub fn pause(record: &Record) -> Result<(), Error> {
    match record.status() {
        Status::Running | Status::Created => Ok(record.placed.set_frozen(true)?),
        Status::Paused => Err(Error::said("container not running")),
        Status::Stopped => Err(Error::said("container not running")),
    }
}

/// Thaws a paused container.
///
/// # Errors
/// When it is not paused, or the kernel refuses.
pub fn resume(record: &Record) -> Result<(), Error> {
    match record.status() {
        Status::Paused => Ok(record.placed.set_frozen(false)?),
        _ => Err(Error::said("container not paused")),
    }
}
