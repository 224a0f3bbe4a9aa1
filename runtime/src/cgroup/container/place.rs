//! Where a container's groups are.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::roots::{Root, discover};
use crate::cgroup::Error;

/// The place of a container's groups below the roots of the hierarchies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Without a leading slash.
    path: PathBuf,
    /// Hierarchies in which it lies below another group, by their keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    bases: BTreeMap<String, PathBuf>,
}

impl Place {
    /// An absolute path counts from the root of each hierarchy. A relative one, or the id where none is given, counts from
    /// the group of this process; on version 2, where a group with processes may have none below, from the one above.
    ///
    /// # Errors
    /// When the hierarchies cannot be found.
    pub fn locate(cgroups_path: Option<&Path>, id: &str) -> Result<Self, Error> {
        let given = cgroups_path.unwrap_or(Path::new(id));
        let path = clean(given);
        if given.is_absolute() {
            return Ok(Self { path, bases: BTreeMap::new() });
        }
        let roots = discover()?;
        let alone = roots.iter().all(Root::is_unified);
        let mut bases = BTreeMap::new();
        for root in &roots {
            let own = clean(Path::new(&root.own));
            let base = if alone { own.parent().map(Path::to_owned).unwrap_or_default() } else { own };
            bases.insert(root.key.clone(), base);
        }
        Ok(Self { path, bases })
    }

    /// An absolute path in all hierarchies.
    pub fn absolute(path: &Path) -> Self {
        Self { path: clean(path), bases: BTreeMap::new() }
    }

    pub(super) fn in_root(&self, root: &Root) -> PathBuf {
        let base = self.bases.get(&root.key).map(PathBuf::as_path).unwrap_or(Path::new(""));
        root.mount.join(base).join(&self.path)
    }
}

/// Names only: neither a root nor a way up.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_above_the_root() {
        assert_eq!(clean(Path::new("/a/../../b/./c")), Path::new("b/c"));
        assert_eq!(clean(Path::new("../..")), Path::new(""));
        assert_eq!(Place::locate(Some(Path::new("/a/b")), "id").unwrap(), Place::absolute(Path::new("a/b")));
    }
}
