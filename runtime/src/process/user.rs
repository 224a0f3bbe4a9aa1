//! Who a process is: user, group and further groups.

use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// Becomes this user in all ids, real, effective and saved, and stays undumpable until exec: nobody inside may look
/// into a process that still holds memory of the host's. Capabilities are set apart from this. Without `groups` the
/// further groups stay as they are.
///
/// # Errors
/// What the kernel gives; `EINVAL` for an id that the user namespace does not map.
pub fn become_user(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<(), Errno> {
    if let Some(groups) = groups {
        setgroups(&groups.iter().copied().map(Gid::from_raw).collect::<Vec<_>>())?;
    }
    let gid = Gid::from_raw(gid);
    setresgid(gid, gid, gid)?;
    let uid = Uid::from_raw(uid);
    setresuid(uid, uid, uid)?;
    // A change of ids sets it to fs.suid_dumpable, which may be 1 on the host.
    set_dumpable(false)
}
