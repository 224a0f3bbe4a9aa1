//! Capabilities of this process: putting the sets of a plan in force.

use nix::errno::Errno;

use crate::spec::CapabilitySets;
use crate::sys::capability::{self, Sets};

/// Takes everything else out of the bounding set. Must be done while the process still has CAP_SETPCAP.
///
/// # Errors
/// What the kernel gives.
pub fn apply_bounding(sets: CapabilitySets) -> Result<(), Errno> {
    for number in 0..64 {
        match capability::is_in_bounding_set(number) {
            Ok(true) if sets.bounding >> number & 1 == 0 => capability::drop_from_bounding_set(number)?,
            Ok(_) => {}
            // The kernel knows no capability of this number, nor of a higher one.
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Sets the other sets, and reads them back. Must come after the change of user.
///
/// # Errors
/// What the kernel gives; `EPERM` when the sets are not what was asked for.
pub fn apply(sets: CapabilitySets) -> Result<(), Errno> {
    let sets = Sets { effective: sets.effective, permitted: sets.permitted, inheritable: 0 };
    capability::clear_ambient()?;
    capability::set(sets)?;
    if capability::get()? == sets { Ok(()) } else { Err(Errno::EPERM) }
}
