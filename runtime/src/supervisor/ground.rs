//! What the workers build on: the node's cgroup tree, its disks, the reaper's program, the system call filters.
//!
//! Made once at the start of the supervisor, inherited by every worker, made anew after a re-exec.

use std::fs::{File, Permissions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::name::{InstanceIndex, SessionNumber};
use super::node::NodeFile;
use super::protocol::Machine;
use super::role;
use crate::cgroup::{self, Tree};
use crate::container::reaper_program;
use crate::disk::{self, Driver, Wish};
use crate::image::unpack;
use crate::net;
use crate::process::seccomp::{self, CompileError, Filter};

/// The ground could not be laid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroundError {
    /// The control groups.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// How files are limited.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The description of the system call filter.
    #[error(transparent)]
    Profile(#[from] oci_spec::OciSpecError),
    /// The system call filter.
    #[error(transparent)]
    Filter(#[from] CompileError),
    /// A file or folder.
    #[error("{operation} `{path}`: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ground {
    /// What root decided.
    pub(crate) node: NodeFile,
    /// The node's control groups.
    pub(crate) tree: Tree,
    /// How files are limited.
    pub(crate) driver: Driver,
    /// Largest packets of sessions' networks.
    pub(crate) mtu: u32,
    /// The program that is pid 1 of every instance, in a file that nobody can write.
    pub(crate) reaper: OwnedFd,
    filters: [Filter; 2],
}

impl Ground {
    /// Prepares everything. May be repeated.
    pub(crate) fn lay(node: &NodeFile) -> Result<Self, GroundError> {
        for path in [node.layers_dir(), node.sessions_dir(), node.caches_dir()] {
            let made = std::fs::create_dir_all(&path);
            made.map_err(io("make", path))?;
        }
        // Trees of images and sessions hold setuid programs of foreign making: nobody else on this host may reach one
        // (CVE-2021-41103).
        let folder = node.state_dir.join("node");
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).map_err(io("close", folder))?;
        let own = role::own_path().map_err(io("find", "the own program".into()))?;
        let reaper = own.with_file_name("sandlot-oci");
        let layers = File::open(node.layers_dir()).map_err(io("open", node.layers_dir()))?;
        unpack::remove_unfinished(layers.as_fd())
            .map_err(|errno| io("clean", node.layers_dir())(errno.into()))?;
        Ok(Self {
            node: node.clone(),
            tree: Tree::open(&node.cgroup_parent)?,
            driver: Driver::probe(&node.state_dir.join("node"), node.disk.parse::<Wish>()?)?,
            mtu: net::mtu::of_host(),
            reaper: reaper_program::load(&reaper).map_err(io("load", reaper))?,
            filters: [compile(false)?, compile(true)?],
        })
    }

    /// The compiled system call filter of a machine.
    pub(crate) fn filter(&self, machine: &Machine) -> Option<&Filter> {
        self.filters.get(usize::from(machine.user_namespaces))
    }

    /// What workers keep open.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut descriptors = self.tree.descriptors();
        descriptors.push(self.reaper.as_fd());
        descriptors
    }

    /// What the node lacks, one sentence each.
    pub(crate) fn degraded(&self) -> Vec<String> {
        let disk = self.driver.degraded().map(str::to_owned);
        self.tree.degraded().iter().cloned().chain(disk).collect()
    }

    /// Folder of a session's files.
    pub(crate) fn session_dir(&self, session: SessionNumber) -> PathBuf {
        self.node.sessions_dir().join(session.to_string())
    }

    /// Folder of an instance's files.
    pub(crate) fn instance_dir(&self, session: SessionNumber, index: InstanceIndex) -> PathBuf {
        self.session_dir(session).join(index.to_string())
    }
}

fn compile(user_namespaces: bool) -> Result<Filter, GroundError> {
    Ok(Filter::compile(&seccomp::docker_default(user_namespaces)?)?.with_speculation())
}

fn io(operation: &'static str, path: PathBuf) -> impl FnOnce(std::io::Error) -> GroundError {
    move |source| GroundError::Io { operation, path, source }
}
