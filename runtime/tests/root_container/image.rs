//! An unpacked image of busybox.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;

use super::IMAGE_BASE;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n";

/// busybox with a link for each of its programs, owned by the image range.
pub(crate) fn busybox_layer(tree: &Path) {
    for folder in ["bin", "etc", "root", "tmp", "proc", "sys", "dev"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    fs::copy("/usr/bin/busybox", tree.join("bin/busybox"))
        .or_else(|_| fs::copy("/bin/busybox", tree.join("bin/busybox")))
        .unwrap();
    let list = std::process::Command::new(tree.join("bin/busybox")).arg("--list").output().unwrap();
    for name in String::from_utf8(list.stdout).unwrap().lines().filter(|name| *name != "busybox") {
        symlink("busybox", tree.join("bin").join(name)).unwrap();
    }
    fs::write(tree.join("etc/passwd"), PASSWD).unwrap();
    fs::write(tree.join("etc/group"), "root:x:0:\n").unwrap();
    own(tree);
}

pub(crate) fn own(path: &Path) {
    lchown(path, Some(IMAGE_BASE), Some(IMAGE_BASE)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path());
        }
    }
}
