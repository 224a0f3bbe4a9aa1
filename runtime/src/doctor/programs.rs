//! Programs of the host that are used now and then.

use std::path::Path;

use super::{Check, Node};

/// Name, what it is for, and how to get it.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("mke2fs", "disks as ext4 images", "apt install e2fsprogs"),
    ("busybox", "making the image `tiny`", "apt install busybox-static"),
    ("mmdebstrap", "making the image `debian`, base of the default images", "apt install mmdebstrap"),
];
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

pub(super) fn check(_: &Node) -> Vec<Check> {
    let there = |name: &str| PATH.iter().any(|folder| Path::new(folder).join(name).exists());
    let one = |(name, purpose, install): &(&'static str, &str, &str)| match there(name) {
        true => Check::ok(name, format!("there, for {purpose}")),
        false => Check::warn(name, format!("missing, for {purpose}"), format!("on Debian: {install}")),
    };
    PROGRAMS.iter().map(one).collect()
}
