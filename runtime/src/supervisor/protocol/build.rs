//! Builds: what a step of a Dockerfile mounts and reaches.

use serde::{Deserialize, Serialize};

use crate::supervisor::name::DiffId;

/// Something that is mounted for one build, and is not in what it changes. Targets are absolute paths inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mount", rename_all = "snake_case")]
pub enum BuildMount {
    /// An empty file system in memory.
    Tmpfs {
        /// Where.
        target: String,
        /// How much it may hold.
        size_bytes: u64,
    },
    /// Files of another image. What is written there is thrown away; it counts against the disk of the build.
    Bind {
        /// Where.
        target: String,
        /// Unpacked layers from the lowest to the highest, 1 to [`MAX_LAYERS`](super::MAX_LAYERS).
        layers: Vec<DiffId>,
        /// Path of a folder or file in them; empty for all.
        subpath: String,
    },
    /// A folder that outlives the build, as large as the disk of the build that used it first.
    Cache {
        /// Where.
        target: String,
        /// Its name, 1 to 1000 bytes; builds of one scope that give the same name get the same folder.
        id: String,
        /// Whose it is: builds of other scopes do not see it. 1 to 200 bytes.
        scope: String,
        /// Permissions of a new one.
        mode: u32,
        /// Owner of a new one.
        uid: u32,
        /// Group of a new one.
        gid: u32,
        /// Who else may use it meanwhile.
        sharing: CacheSharing,
    },
    /// A file in memory. Its content comes by a descriptor, at most [`MAX_SECRET_BYTES`](super::MAX_SECRET_BYTES).
    Secret {
        /// Where.
        target: String,
        /// Permissions.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

/// What happens when two builds use one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheSharing {
    /// Both write to it.
    Shared,
    /// Each writes to one of its own, which later builds use again.
    Private,
    /// The second one starts when the first has ended.
    Locked,
}

/// What a build reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildNetwork {
    /// Its own loopback.
    #[default]
    None,
    /// What the host reaches, by the host's addresses: for clients of uid 0 only.
    Host,
}
