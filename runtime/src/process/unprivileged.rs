//! How serve gives up root: for good, in the order that works, and looked at afterwards.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::capabilities;
use super::seccomp::{self, Filter};
use crate::failure::{Failure, during};
use crate::spec::CapabilitySets;
use crate::sys::capability;

/// Turns this process, which must be root's and have one thread, into one of `id` without groups, capabilities or a
/// way back: bounding set empty, no_new_privs set, and the filter of serve loaded.
///
/// # Errors
/// With the step that failed. The process must end then: it may be half-way.
pub fn give_up_privileges(id: u32) -> Result<(), Failure> {
    let profile = seccomp::serve().map_err(unexpected)?;
    let filter = Filter::compile(&profile).map_err(unexpected)?.with_speculation();
    capabilities::apply_bounding(CapabilitySets::default()).map_err(during("empty the bounding set"))?;
    become_user(id)?;
    capabilities::apply(CapabilitySets::default()).map_err(during("drop capabilities"))?;
    prctl::set_no_new_privs().map_err(during("set no_new_privs"))?;
    // No rule of this profile has a listener.
    seccomp::load(Some(&profile), Some(&filter)).map(drop)?;
    verify(id)
}

fn become_user(id: u32) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[]).map_err(during("drop supplementary groups"))?;
    setresgid(gid, gid, gid).map_err(during(format!("become group {id}")))?;
    setresuid(uid, uid, uid).map_err(during(format!("become user {id}")))
}

fn verify(id: u32) -> Result<(), Failure> {
    let users = getresuid().map_err(during("read user ids"))?;
    let groups = getresgid().map_err(during("read group ids"))?;
    let same = [users.real, users.effective, users.saved].iter().all(|uid| uid.as_raw() == id)
        && [groups.real, groups.effective, groups.saved].iter().all(|gid| gid.as_raw() == id);
    let alone = getgroups().map_err(during("read groups"))?.is_empty();
    let powerless = capability::get().map_err(during("read capabilities"))? == capability::Sets::default();
    if same && alone && powerless {
        Ok(())
    } else {
        Err(Failure { message: "check that no privilege is left".to_owned(), errno: Errno::EPERM })
    }
}

fn unexpected(error: impl std::error::Error) -> Failure {
    Failure { message: error.to_string(), errno: Errno::EINVAL }
}
