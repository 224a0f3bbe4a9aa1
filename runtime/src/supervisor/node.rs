//! The node file: what root decided about this node. Requests can only stay below it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::protocol::Limits;

/// Longest node file that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// Host ids of one session.
pub const IDS_PER_SESSION: u32 = 65_536;

/// Ranges of ids that a node of so many sessions has: of the images, the sessions and the builds.
pub fn id_ranges(sessions: u32) -> u32 {
    1 + sessions + super::name::SessionNumber::BUILDS
}

/// What was changed of the host for the way out stands in this file.
pub fn host_record(state_dir: &Path) -> PathBuf {
    state_dir.join("node/host.json")
}

/// The node file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum NodeFileError {
    /// Reading or writing failed.
    #[error("{operation} node file `{path}`: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Not root's own, or others may write it.
    #[error(
        "read node file `{0}`: it must be a regular file that belongs to root and that only root can write"
    )]
    NotRoots(PathBuf),
    /// Not JSON of this form.
    #[error("read node file `{path}`: {source}")]
    Malformed {
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A value makes no sense.
    #[error("read node file `{path}`: {field}: {rule}")]
    Invalid {
        /// Where.
        path: PathBuf,
        /// Which value.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// How sessions may go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// First address of the /16 that host, gateway and sessions use between them. No host that is to be reached may
    /// have one of these.
    pub network: std::net::Ipv4Addr,
    /// Private networks that a session may be allowed to reach.
    pub private: Vec<(std::net::IpAddr, u8)>,
    /// Whether the host's own settings and filters may be changed so that packets get through. Not written where they may
    /// not, so that an older supervisor reads the file too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configure_host: bool,
}

/// Everything that a node's privileged processes take from root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// Short id of the node: 1 to 16 of `a-z` and `0-9`.
    pub node_id: String,
    /// What outlives a reboot: layers, disks, and serve's own folder.
    pub state_dir: PathBuf,
    /// What does not: the socket.
    pub run_dir: PathBuf,
    /// Name below the root of every cgroup hierarchy, possibly several components.
    pub cgroup_parent: String,
    /// First host id; the image range starts here, session n's at n times 65,536 above it,
    /// those of builds above the last session's.
    pub uid_base: u32,
    /// The user that serve runs as; outside every range.
    pub serve_uid: u32,
    /// First letters of the names of network links.
    pub link_prefix: String,
    /// Sessions at once, at most.
    pub max_sessions: u32,
    /// Highest limits of one instance.
    pub ceiling: Limits,
    /// How files are limited: `auto`, `project-quota`, `ext4-image` or `tmpfs`.
    pub disk: String,
    /// Disks that are made ahead for the next instances, where the driver can; 0 is none.
    #[serde(default)]
    pub ready_disks: u32,
    /// Switches that are made ahead for the next sessions; 0 is none.
    #[serde(default)]
    pub ready_networks: u32,
    /// How sessions may go out; without it none may.
    #[serde(default)]
    pub way: Option<Way>,
    /// Log lines as JSON.
    pub log_json: bool,
    /// The supervisor ends with its last client, unless it keeps a listener or a session: it was started for one command.
    #[serde(default)]
    pub temporary: bool,
    /// Files of the site's TLS, which serve may ask for; serve's start changes this field, as root. Not written where there are none, so that an older supervisor
    /// reads the file too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
}

/// The two files of the site's TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, then those that lead to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl NodeFile {
    /// Writes the file for root alone, whole or not at all.
    ///
    /// # Errors
    /// What writing gives.
    pub fn save(&self, path: &Path) -> Result<(), NodeFileError> {
        let io = |operation| move |source| NodeFileError::Io { operation, path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| NodeFileError::Malformed { path: path.to_owned(), source })?;
        let beside = path.with_extension(format!("json.{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .map_err(io("create"))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(io("write"))?;
        std::fs::rename(&beside, path).map_err(io("rename"))
    }

    /// Reads a file that belongs to root and that nobody else can write.
    ///
    /// # Errors
    /// As [`NodeFileError`].
    pub fn load(path: &Path) -> Result<Self, NodeFileError> {
        let io = |operation| move |source| NodeFileError::Io { operation, path: path.to_owned(), source };
        let file = File::open(path).map_err(io("open"))?;
        let metadata = file.metadata().map_err(io("read"))?;
        if !metadata.is_file() || metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
            return Err(NodeFileError::NotRoots(path.to_owned()));
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text).map_err(io("read"))?;
        let node: Self = serde_json::from_slice(&text)
            .map_err(|source| NodeFileError::Malformed { path: path.to_owned(), source })?;
        match node.fault() {
            Some((field, rule)) => Err(NodeFileError::Invalid { path: path.to_owned(), field, rule }),
            None => Ok(node),
        }
    }

    /// Path of the supervisor's socket.
    pub fn socket_path(&self) -> PathBuf {
        self.run_dir.join("supervisor.sock")
    }

    /// First host id of session `number`.
    pub fn first_id(&self, number: super::name::SessionNumber) -> u32 {
        self.uid_base + number.get() * IDS_PER_SESSION
    }

    /// Numbers of builds, above those of sessions.
    pub fn builds(&self) -> impl Iterator<Item = super::name::SessionNumber> + use<> {
        let first = self.max_sessions + 1;
        (first..first + super::name::SessionNumber::BUILDS).filter_map(|number| number.try_into().ok())
    }

    /// Folder of the caches of builds.
    pub fn caches_dir(&self) -> PathBuf {
        self.state_dir.join("node/caches")
    }

    /// What was changed of the host for the way out.
    pub fn host_record(&self) -> PathBuf {
        host_record(&self.state_dir)
    }

    /// Name of the host's link to the gateway.
    pub fn way_out(&self) -> String {
        format!("{}-out", self.link_prefix)
    }

    /// Folder of the unpacked layers.
    pub fn layers_dir(&self) -> PathBuf {
        self.state_dir.join("node/layers")
    }

    /// Folder of the sessions' files.
    pub fn sessions_dir(&self) -> PathBuf {
        self.state_dir.join("node/sessions")
    }

    /// The first value that makes no sense, and what it must be.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        let last_id =
            u64::from(self.uid_base) + u64::from(id_ranges(self.max_sessions)) * u64::from(IDS_PER_SESSION);
        let short = |text: &str, most: usize| {
            (1..=most).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let component = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let ranges = u64::from(self.uid_base)..last_id;
        let is_absolute = |files: &TlsFiles| files.certificate.is_absolute() && files.key.is_absolute();
        let rules = [
            (short(&self.node_id, 16), "node_id", "must be 1 to 16 of a-z and 0-9"),
            (self.state_dir.is_absolute(), "state_dir", "must be an absolute path"),
            (self.run_dir.is_absolute(), "run_dir", "must be an absolute path"),
            (self.cgroup_parent.split('/').all(component), "cgroup_parent", "must be names joined by `/`"),
            (self.uid_base >= IDS_PER_SESSION, "uid_base", "must be at least 65536"),
            (
                (1..=super::name::SessionNumber::MAX).contains(&self.max_sessions),
                "max_sessions",
                "must be from 1 to 32000",
            ),
            (last_id < u64::from(u32::MAX), "max_sessions", "its id ranges must end below 2^32"),
            (!ranges.contains(&u64::from(self.serve_uid)), "serve_uid", "must lie outside every id range"),
            (self.serve_uid != 0, "serve_uid", "must not be root"),
            (short(&self.link_prefix, 4), "link_prefix", "must be 1 to 4 of a-z and 0-9"),
            (
                matches!(self.disk.as_str(), "auto" | "project-quota" | "ext4-image" | "tmpfs"),
                "disk",
                "must be auto, project-quota, ext4-image or tmpfs",
            ),
            (self.tls.as_ref().is_none_or(is_absolute), "tls", "must be absolute paths"),
            (self.way.as_ref().is_none_or(is_whole), "way", "must begin a /16"),
        ];
        rules.into_iter().find_map(|(good, field, rule)| (!good).then_some((field, rule)))
    }
}

fn is_whole(way: &Way) -> bool {
    way.network.to_bits() & 0xffff == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn node() -> NodeFile {
        NodeFile {
            node_id: "n1".into(),
            state_dir: "/var/lib/sandlot".into(),
            run_dir: "/run/sandlot".into(),
            cgroup_parent: "sandlot".into(),
            uid_base: 1_000_000_000,
            serve_uid: 999_999_999,
            link_prefix: "sl".into(),
            max_sessions: 300,
            ceiling: Limits {
                memory_bytes: 1 << 30,
                swap_bytes: 0,
                cpu_millis: 1000,
                pids: 512,
                disk_bytes: 1 << 30,
                io_bytes_per_second: None,
            },
            disk: "auto".into(),
            ready_disks: 0,
            ready_networks: 0,
            log_json: true,
            temporary: false,
            tls: None,
            way: None,
        }
    }

    #[test]
    fn a_saved_file_reads_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        node().save(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(NodeFile::load(&path).unwrap(), node());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        node().save(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert!(matches!(NodeFile::load(&path), Err(NodeFileError::NotRoots(_))));
    }

    #[test]
    fn values_that_make_no_sense_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        let wrong = [
            NodeFile { cgroup_parent: "a/../b".into(), ..node() },
            NodeFile { serve_uid: 1_000_065_536, ..node() },
            NodeFile { max_sessions: 0, ..node() },
            NodeFile { uid_base: 4_290_000_000, ..node() },
            NodeFile { tls: Some(TlsFiles { certificate: "/a".into(), key: "b".into() }), ..node() },
        ];
        let fields = ["cgroup_parent", "serve_uid", "max_sessions", "max_sessions", "tls"];
        for (file, field) in wrong.iter().zip(fields) {
            file.save(&path).unwrap();
            let error = NodeFile::load(&path).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
