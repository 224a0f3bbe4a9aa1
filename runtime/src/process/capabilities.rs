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

/// Those of the sets that this process can give: what it lacks itself cannot be granted, which is no failure
/// (config.md, "Linux Process").
///
/// # Errors
/// What the kernel gives.
pub fn available(sets: CapabilitySets) -> Result<CapabilitySets, Errno> {
    let own = capability::get()?;
    Ok(CapabilitySets {
        bounding: sets.bounding,
        permitted: sets.permitted & own.permitted,
        effective: sets.effective & own.permitted,
        inheritable: sets.inheritable & own.permitted,
        ambient: sets.ambient & own.permitted,
    })
}

/// Sets the other sets, and reads them back. Must come after the change of user; where that is to an ordinary user, the
/// permitted set must have been kept over it.
///
/// # Errors
/// What the kernel gives; `EPERM` when the sets are not what was asked for.
pub fn apply(sets: CapabilitySets) -> Result<(), Errno> {
    let ambient = sets.ambient & sets.permitted & sets.inheritable;
    let sets = Sets { effective: sets.effective, permitted: sets.permitted, inheritable: sets.inheritable };
    capability::clear_ambient()?;
    capability::set(sets)?;
    (0..64).filter(|number| ambient >> number & 1 == 1).try_for_each(capability::raise_ambient)?;
    if capability::get()? == sets { Ok(()) } else { Err(Errno::EPERM) }
}
