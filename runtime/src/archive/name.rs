//! Names in a tar, made into paths that stay inside the tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest path, as for the kernel.
const MAX_PATH_BYTES: usize = 4095;

/// Resolves `.`, `..` and empty parts by name alone; the result is relative, and empty for the tree itself. `None`
/// when the name leads out of the tree, is too long or holds a zero byte.
pub(crate) fn inside(name: &[u8]) -> Option<PathBuf> {
    if name.len() > MAX_PATH_BYTES || name.contains(&0) {
        return None;
    }
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if !path.pop() {
                    return None;
                }
            }
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Some(path)
}

/// The path as a call needs it: the tree itself is `.`.
pub(super) fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn names_that_lead_out_are_refused() {
        for bad in ["..", "../a", "a/../..", "/../a", "a/b/../../../c", "a\0b"] {
            assert_eq!(inside(bad.as_bytes()), None, "{bad}");
        }
        for (good, path) in [("./a//b/", "a/b"), ("/etc/passwd", "etc/passwd"), ("a/../b", "b"), ("./", "")] {
            assert_eq!(inside(good.as_bytes()), Some(PathBuf::from(path)), "{good}");
        }
    }

    proptest! {
        /// Whatever the bytes, a path has plain names only.
        #[test]
        fn paths_have_plain_names_only(name in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..60)) {
            if let Some(path) = inside(&name) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
