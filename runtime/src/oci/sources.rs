//! The sources of binds, opened with the power of the runtime, so that the container needs none over their paths.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::CloneFlags;

use super::error::Error;
use crate::container::userns;
use crate::failure::StepError;
use crate::process::subordinate_ids::text;
use crate::rootfs::bind;
use crate::spec::{MountIdMap, MountKind, MountPlan, Plan};

/// One entry per mount; none where the container opens the source itself, which an ordinary user's has to.
pub(super) fn open(plan: &Plan, privileged: bool) -> Result<Vec<Option<OwnedFd>>, Error> {
    let joins = plan.namespaces().joined.iter().any(|(kind, _)| *kind == CloneFlags::CLONE_NEWNS);
    let ours = |mount: &&MountPlan| matches!(mount.kind, MountKind::Bind { .. });
    if !privileged || joins || !plan.mounts().iter().any(|mount| ours(&mount)) {
        return match plan.mounts().iter().find(|mount| mount.idmap.is_some()) {
            Some(mount) => Err(Error::said(format!(
                "failed to map the owners of the mount at {}: needs privilege, and no joined mount namespace",
                mount.target.display()
            ))),
            None => Ok(Vec::new()),
        };
    }
    plan.mounts()
        .iter()
        .map(|mount| Some(mount).filter(ours).map(|mount| open_one(plan, mount)).transpose())
        .collect()
}

fn open_one(plan: &Plan, mount: &MountPlan) -> Result<OwnedFd, Error> {
    let userns = mount.idmap.as_ref().map(|map| idmap(plan, map)).transpose()?;
    bind::open_source(mount, userns.as_ref().map(AsFd::as_fd))
        .map_err(|failure| StepError::new("mount file systems", failure).into())
}

/// A user namespace with the maps of a mount; those of the container where the mount names none.
fn idmap(plan: &Plan, map: &MountIdMap) -> Result<OwnedFd, Error> {
    let namespaces = plan.namespaces();
    let user = CloneFlags::CLONE_NEWUSER;
    if let Some((_, path)) = namespaces.joined.iter().find(|(kind, _)| map.uids.is_empty() && *kind == user) {
        return File::open(path).map(OwnedFd::from).map_err(Error::file("open", path));
    }
    let (uids, gids) = match map.uids.is_empty() {
        true => (&namespaces.uid_map, &namespaces.gid_map),
        false => (&map.uids, &map.gids),
    };
    if uids.is_empty() {
        return Err(Error::said("an id-mapped mount needs mappings, or a user namespace of the container"));
    }
    Ok(userns::create_with(&text(uids), &text(gids))?)
}
