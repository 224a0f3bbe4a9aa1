//! The mounted hierarchies, and where this process is in each.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::read;
use crate::cgroup::Error;

/// Options of a version 1 mount that are no controllers.
const OTHER_OPTIONS: [&str; 7] =
    ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "none"];

/// One hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// As `/proc/<pid>/cgroup` calls it: its controllers, `name=...`, or nothing for version 2.
    pub(super) key: String,
    /// The group of this process in it.
    pub(super) own: String,
}

impl Root {
    pub(super) fn is_unified(&self) -> bool {
        self.key.is_empty()
    }

    /// Whether a version 1 hierarchy has this controller, or this name.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers().any(|own| own == controller) || self.name() == Some(controller)
    }

    pub(super) fn controllers(&self) -> impl Iterator<Item = &str> {
        self.key.split(',').filter(|own| !own.is_empty() && !own.starts_with("name="))
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.key.split(',').find_map(|own| own.strip_prefix("name="))
    }

    /// Whether a group of version 2 has this controller enabled. Some work everywhere.
    pub(super) fn offers(&self, group: &Path, controller: &str) -> bool {
        if matches!(controller, "devices" | "freezer") {
            return true;
        }
        let enabled = read(group, "cgroup.controllers").unwrap_or_default();
        let name = if controller == "blkio" { "io" } else { controller };
        enabled.split_whitespace().any(|own| own == name)
    }

    /// The group of a process in this hierarchy.
    pub(super) fn path_of(&self, pid: i32) -> Result<String, Error> {
        let file = format!("/proc/{pid}/cgroup");
        let text = fs::read_to_string(&file).map_err(|source| Error::kernel("read", &file, source))?;
        own(&text, &self.key).ok_or(Error::Unexpected { object: file })
    }
}

/// Every hierarchy that is mounted, version 1 first.
pub(super) fn discover() -> Result<Vec<Root>, Error> {
    let read = |file: &str| fs::read_to_string(file).map_err(|source| Error::kernel("read", file, source));
    let roots = parse(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?);
    if roots.is_empty() { Err(Error::NotMounted) } else { Ok(roots) }
}

fn parse(mounts: &str, groups: &str) -> Vec<Root> {
    let mut roots: Vec<Root> = Vec::new();
    for (mount, key) in mounts.lines().filter_map(hierarchy) {
        // The same one may be mounted again elsewhere.
        if let (Some(own), false) = (own(groups, &key), roots.iter().any(|root| root.key == key)) {
            roots.push(Root { mount, key, own });
        }
    }
    roots.sort_by_key(Root::is_unified);
    roots
}

/// Mount point and key of a line (proc_pid_mountinfo(5)).
fn hierarchy(line: &str) -> Option<(PathBuf, String)> {
    let (before, after) = line.split_once(" - ")?;
    let mount = PathBuf::from(before.split(' ').nth(4)?);
    let mut after = after.split(' ');
    match after.next()? {
        "cgroup2" => Some((mount, String::new())),
        "cgroup" => {
            let options = after.nth(1)?.split(',');
            let named =
                options.filter(|one| !OTHER_OPTIONS.contains(one) && !one.starts_with("release_agent="));
            let mut named: Vec<&str> = named.collect();
            named.sort_unstable();
            Some((mount, named.join(",")))
        }
        _ => None,
    }
}

/// The path of the line with this key (cgroups(7)).
fn own(groups: &str, key: &str) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let mut named: Vec<&str> = fields.next()?.split(',').collect();
        named.sort_unstable();
        let path = fields.next()?;
        (named.join(",") == key).then(|| path.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_read_from_the_mounts() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n\
                      31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
                      32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      33 24 0:28 /x /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n\
                      34 24 0:29 / /tmp rw - tmpfs tmpfs rw\n";
        let groups = "4:cpuacct,cpu:/a\n1:name=systemd:/b\n0::/c\n";
        let roots = parse(mounts, groups);
        let found: Vec<_> = roots.iter().map(|root| (root.key.as_str(), root.own.as_str())).collect();
        assert_eq!(found, [("name=systemd", "/b"), ("cpu,cpuacct", "/a"), ("", "/c")]);
        assert!(roots[1].has("cpu") && !roots[1].has("memory") && roots[0].has("systemd"));
    }
}
