//! Id maps of a container's user namespace.

use std::fmt::Write as _;
use std::fs;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::{Pid, geteuid};

use crate::failure::{Failure, during};
use crate::spec::{IdMap, Plan};

/// Who writes maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// This process, with the power to map any id.
    Root,
    /// An ordinary user: its own ids, or those of /etc/subuid by newuidmap and newgidmap.
    User,
}

impl Writer {
    /// Writes the maps of a user namespace that `pid` has made.
    pub(super) fn write(self, pid: Pid, uids: &[IdMap], gids: &[IdMap]) -> Result<(), Failure> {
        write_one(pid, "uid_map", uids)?;
        write_one(pid, "gid_map", gids)
    }
}

fn write_one(pid: Pid, file: &str, maps: &[IdMap]) -> Result<(), Failure> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text(maps)).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
        during(format!("write `{}` to `{path}`", text(maps).trim()))(errno)
    })
}

/// Whether further groups may be set: an ordinary user who maps one group alone has given that right up
/// (user_namespaces(7)).
pub(super) fn sets_groups(plan: &Plan) -> bool {
    geteuid().is_root()
        || !plan.namespaces().has(CloneFlags::CLONE_NEWUSER)
        || plan.namespaces().gid_map.len() > 1
}

/// The maps as the kernel takes them (user_namespaces(7)).
pub(super) fn text(maps: &[IdMap]) -> String {
    let mut text = String::new();
    for map in maps {
        // Writing to a text cannot fail.
        let _infallible = writeln!(text, "{} {} {}", map.inside, map.outside, map.count);
    }
    text
}
