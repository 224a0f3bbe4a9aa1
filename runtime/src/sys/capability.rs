//! Capability sets of the calling thread, as bit masks.

use nix::Result;
use nix::errno::Errno;

const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The three sets of `capset`, bit n for capability n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sets {
    /// What is checked.
    pub effective: u64,
    /// What may become effective.
    pub permitted: u64,
    /// What files with inheritable capabilities may give.
    pub inheritable: u64,
}

/// Replaces the sets.
///
/// # Errors
/// What `capset` gives.
pub fn set(sets: Sets) -> Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let data = [half(sets, 0), half(sets, 32)];
    // SAFETY: version 3 reads one header and two data structures, which are live and laid out as the kernel's.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(result).map(drop)
}

/// The sets as they are.
///
/// # Errors
/// What `capget` gives.
pub fn get() -> Result<Sets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [half(Sets::default(), 0); 2];
    // SAFETY: version 3 fills two data structures, which are live and laid out as the kernel's.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(result)?;
    let [low, high] = data;
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(Sets {
        effective: join(low.effective, high.effective),
        permitted: join(low.permitted, high.permitted),
        inheritable: join(low.inheritable, high.inheritable),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "each half takes its 32 bits")]
fn half(sets: Sets, shift: u32) -> Data {
    Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    }
}

/// Whether a capability is in the bounding set; `EINVAL` tells that the kernel does not know it.
///
/// # Errors
/// What `prctl` gives.
pub fn is_in_bounding_set(capability: u8) -> Result<bool> {
    // SAFETY: PR_CAPBSET_READ takes an integer by value.
    let result = unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability), 0, 0, 0) };
    Errno::result(result).map(|answer| answer == 1)
}

/// Takes a capability out of the bounding set.
///
/// # Errors
/// What `prctl` gives.
pub fn drop_from_bounding_set(capability: u8) -> Result<()> {
    // SAFETY: PR_CAPBSET_DROP takes an integer by value.
    let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
    Errno::result(result).map(drop)
}

/// Empties the ambient set.
///
/// # Errors
/// What `prctl` gives.
pub fn clear_ambient() -> Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    // SAFETY: PR_CAP_AMBIENT takes integers by value.
    let result = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, 0, 0, 0) };
    Errno::result(result).map(drop)
}

/// Adds a capability to the ambient set; it must be permitted and inheritable.
///
/// # Errors
/// What `prctl` gives.
pub fn raise_ambient(capability: u8) -> Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
    // SAFETY: PR_CAP_AMBIENT takes integers by value.
    let result = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, libc::c_ulong::from(capability), 0, 0) };
    Errno::result(result).map(drop)
}

/// Keeps the permitted set over the next change of user, or not.
///
/// # Errors
/// What `prctl` gives.
pub fn keep_over_change_of_user(keep: bool) -> Result<()> {
    // SAFETY: PR_SET_KEEPCAPS takes an integer by value.
    let result = unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(keep), 0, 0, 0) };
    Errno::result(result).map(drop)
}
