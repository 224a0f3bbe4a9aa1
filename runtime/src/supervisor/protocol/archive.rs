//! Archives that go into an instance and come out of it.

use serde::{Deserialize, Serialize};

/// How an archive is extracted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveOptions {
    /// Refuse to put a folder in place of something else, or something else in place of a folder.
    #[serde(default)]
    pub no_overwrite_dir_non_dir: bool,
    /// Take the owners from the archive; otherwise everything belongs to uid 0.
    #[serde(default)]
    pub copy_uid_gid: bool,
    /// Make the folder at the path, and those above it, where they are missing.
    #[serde(default)]
    pub make_parents: bool,
}

/// What is at a path, for Docker's `X-Docker-Container-Path-Stat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStat {
    /// The last part of the path; `/` for the root. Bytes that are no UTF-8 are replaced.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// Type and permissions as in `st_mode` of stat(2).
    pub mode: u32,
    /// Time of the last change of content, in seconds since 1970.
    pub mtime: i64,
    /// Its nanoseconds.
    pub mtime_nanoseconds: u32,
    /// Owner inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
    /// For a link: where it leads, as an absolute path inside; empty otherwise.
    pub link_target: String,
}
