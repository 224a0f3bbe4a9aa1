//! Id maps of a container's user namespace.

use std::fs;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::{Pid, getegid, geteuid};

use crate::failure::{Failure, during};
use crate::process::subordinate_ids::{self, text};
use crate::spec::{IdMap, Plan};

/// Who writes maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// This process, with the power to map any id.
    Root,
    /// An ordinary user: their own ids, or those that are given to them.
    User,
}

impl Writer {
    /// Writes the maps of a user namespace that `pid` has made.
    pub(super) fn write(self, pid: Pid, uids: &[IdMap], gids: &[IdMap]) -> Result<(), Failure> {
        match self {
            Self::User => subordinate_ids::write(pid, uids, gids),
            Self::Root => {
                put(pid, "uid_map", uids)?;
                put(pid, "gid_map", gids)
            }
        }
    }
}

fn put(pid: Pid, file: &str, maps: &[IdMap]) -> Result<(), Failure> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text(maps)).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
        during(format!("write `{}` to `{path}`", text(maps).trim()))(errno)
    })
}

/// Whether further groups may be set: an ordinary user who maps their own group alone has given that right up
/// (user_namespaces(7)).
pub(super) fn sets_groups(plan: &Plan) -> bool {
    let namespaces = plan.namespaces();
    geteuid().is_root()
        || !namespaces.is_new(CloneFlags::CLONE_NEWUSER)
        || !subordinate_ids::is_own(&namespaces.gid_map, getegid().as_raw())
}
