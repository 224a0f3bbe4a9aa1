//! Mount options by their names in a spec (config.md of the OCI runtime specification, "Linux mount options").

use super::{Attributes, MountIdMap, MountKind, MountPlan, Propagation, text};
use crate::spec::SpecError;
use crate::sys::mount::{
    MOUNT_ATTR_ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME, MS_PRIVATE,
    MS_SHARED, MS_SLAVE, MS_UNBINDABLE,
};

const fn sets(bits: u64) -> Attributes {
    // The access time is one value of several bits: to set one of them all are cleared.
    let clear = if bits & MOUNT_ATTR_ATIME != 0 { MOUNT_ATTR_ATIME } else { 0 };
    Attributes { set: bits, clear }
}

const fn clears(bits: u64) -> Attributes {
    let clear = if bits & MOUNT_ATTR_ATIME != 0 { MOUNT_ATTR_ATIME } else { bits };
    Attributes { set: 0, clear }
}

/// Attributes of a mount. With an `r` in front they hold for all mounts below, too.
const ATTRIBUTES: [(&str, Attributes); 18] = [
    ("ro", sets(MOUNT_ATTR_RDONLY)),
    ("rw", clears(MOUNT_ATTR_RDONLY)),
    ("nosuid", sets(MOUNT_ATTR_NOSUID)),
    ("suid", clears(MOUNT_ATTR_NOSUID)),
    ("nodev", sets(MOUNT_ATTR_NODEV)),
    ("dev", clears(MOUNT_ATTR_NODEV)),
    ("noexec", sets(MOUNT_ATTR_NOEXEC)),
    ("exec", clears(MOUNT_ATTR_NOEXEC)),
    ("nodiratime", sets(MOUNT_ATTR_NODIRATIME)),
    ("diratime", clears(MOUNT_ATTR_NODIRATIME)),
    ("noatime", sets(MOUNT_ATTR_NOATIME)),
    ("atime", clears(MOUNT_ATTR_NOATIME)),
    ("strictatime", sets(MOUNT_ATTR_STRICTATIME)),
    ("nostrictatime", clears(MOUNT_ATTR_STRICTATIME)),
    ("relatime", clears(MOUNT_ATTR_ATIME)),
    ("norelatime", clears(MOUNT_ATTR_ATIME)),
    ("nosymfollow", sets(MOUNT_ATTR_NOSYMFOLLOW)),
    ("symfollow", clears(MOUNT_ATTR_NOSYMFOLLOW)),
];

const PROPAGATION: [(&str, u64, bool); 8] = [
    ("private", MS_PRIVATE, false),
    ("rprivate", MS_PRIVATE, true),
    ("shared", MS_SHARED, false),
    ("rshared", MS_SHARED, true),
    ("slave", MS_SLAVE, false),
    ("rslave", MS_SLAVE, true),
    ("unbindable", MS_UNBINDABLE, false),
    ("runbindable", MS_UNBINDABLE, true),
];

/// Options that every file system knows by itself.
const SUPERBLOCK: [&str; 7] = ["async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync"];

/// Read above, or meaning what holds anyway: a file system decides itself whether it counts versions (Linux 6.1), and how
/// much the kernel logs is not a container's to say.
const PLAIN: [&str; 8] = ["bind", "rbind", "remount", "defaults", "loud", "silent", "iversion", "noiversion"];

/// Every option that is understood by its name, for `features`.
pub const MOUNT_OPTIONS: [&str; 62] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

/// Adds an option to a mount.
pub(super) fn add(plan: &mut MountPlan, option: &str) -> Result<(), SpecError> {
    if let Some((_, attributes)) = ATTRIBUTES.iter().find(|(name, _)| *name == option) {
        plan.attributes = join(plan.attributes, *attributes);
    } else if let Some((_, flag, recursive)) = PROPAGATION.iter().find(|(name, ..)| *name == option) {
        plan.propagation.push(Propagation { flag: *flag, recursive: *recursive });
    } else if let Some(attributes) = recursive(option) {
        plan.recursive = join(plan.recursive, attributes);
    } else if !PLAIN.contains(&option) {
        return add_special(plan, option);
    }
    Ok(())
}

fn recursive(option: &str) -> Option<Attributes> {
    let name = option.strip_prefix('r')?;
    ATTRIBUTES.iter().find(|(known, _)| *known == name).map(|(_, attributes)| *attributes)
}

/// A later option stands in place of an earlier one.
fn join(before: Attributes, after: Attributes) -> Attributes {
    Attributes { set: before.set & !after.clear | after.set, clear: before.clear & !after.set | after.clear }
}

fn add_special(plan: &mut MountPlan, option: &str) -> Result<(), SpecError> {
    match option {
        "tmpcopyup" => plan.copy_up = true,
        "idmap" | "ridmap" => {
            let recursive = option == "ridmap";
            let map = plan.idmap.get_or_insert(MountIdMap { uids: Vec::new(), gids: Vec::new(), recursive });
            map.recursive = recursive;
        }
        _ => return add_filesystem_option(plan, option),
    }
    Ok(())
}

fn add_filesystem_option(plan: &mut MountPlan, option: &str) -> Result<(), SpecError> {
    // A bind has no file system of its own whose options could be set.
    let of_bind = matches!(plan.kind, MountKind::Bind { .. });
    if option.is_empty() || of_bind && SUPERBLOCK.contains(&option) {
        return Ok(());
    }
    if of_bind {
        return Err(SpecError::invalid("mounts.options", option, "is not an option of a bind"));
    }
    let (key, value) = match option.split_once('=') {
        Some((key, value)) => (key, Some(text("mounts.options", value)?)),
        None => (option, None),
    };
    plan.options.push((text("mounts.options", key)?, value));
    Ok(())
}
