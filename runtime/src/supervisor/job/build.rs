//! A build: a session of one machine, with what a step of a Dockerfile mounts.
//!
//! Every mount is made here, in a mount namespace of the worker's own, and given to the machine as a detached copy, so
//! that no path of the host is named inside. All owners are mapped to the build's range.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use sha2::{Digest, Sha256};

use super::machine::{Beside, Starting, isolate, make_folder, make_place, refused_disk, tell};
use super::{refused, refused_step};
use crate::container::userns;
use crate::disk::Attached;
use crate::rootfs::layers::{self, Layers};
use crate::rootfs::path as inside;
use crate::spec::{Attributes, MountPlan};
use crate::supervisor::ground::Ground;
use crate::supervisor::name::{DiffId, SessionNumber};
use crate::supervisor::node::IDS_PER_SESSION;
use crate::supervisor::protocol::{
    BuildMount, BuildNetwork, MAX_SECRET_BYTES, Machine, Refusal, RefusalKind,
};
use crate::supervisor::worker::{Report, Reporter};
use crate::sys::mount::{
    MOUNT_ATTR_IDMAP, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, open_tree, set_attributes,
};

/// Longest `/etc/resolv.conf` of the host that is taken.
const MAX_RESOLV_BYTES: u64 = 64 * 1024;
/// Bits of a file's mode.
const MODE_BITS: u32 = 0o7777;

/// What was asked for beside the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) mounts: &'a [BuildMount],
    /// Which of the folders of its name each cache is, in their order.
    pub(super) slots: &'a [u32],
    pub(super) network: BuildNetwork,
}

/// What the mounts are made with.
struct Making<'a> {
    ground: &'a Ground,
    build: SessionNumber,
    /// Maps the image range to the build's.
    idmap: BorrowedFd<'a>,
    disk: &'a Attached,
    disk_bytes: u64,
    folder: PathBuf,
    operation: String,
}

/// Makes the build's user namespace, its place and its mounts, and starts its machine.
pub(super) fn start(
    ground: &Ground,
    build: SessionNumber,
    machine: &Machine,
    asked: &Asked<'_>,
    secrets: &[BorrowedFd<'_>],
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let operation = format!("start build {build}");
    let step = |error| refused_step(&operation, &error);
    make_folder(&ground.session_dir(build)).map_err(|error| refused(&operation, &error))?;
    make_place(ground, build, machine, None)?;
    let userns = userns::create(ground.node.first_id(build), IDS_PER_SESSION).map_err(step)?;
    tell(reporter, &Report::Userns, userns.as_fd())?;
    let keep: Vec<_> =
        [userns.as_fd(), reporter.as_fd()].into_iter().chain(secrets.iter().copied()).collect();
    isolate(ground, &keep, &operation)?;
    let folder = ground.instance_dir(build, machine.index);
    let disk = ground.driver.attach(&folder).map_err(|error| refused(&operation, &error))?;
    let idmap = userns::create_idmap(ground.node.uid_base, ground.node.first_id(build), IDS_PER_SESSION)
        .map_err(step)?;
    let disk_bytes = machine.limits.disk_bytes;
    let making = Making {
        ground,
        build,
        idmap: idmap.as_fd(),
        disk: &disk,
        disk_bytes,
        folder,
        operation: operation.clone(),
    };
    let beside = Beside {
        mounts: making.all(asked, secrets)?,
        host_network: (asked.network == BuildNetwork::Host).then(host_resolv),
    };
    Starting {
        ground,
        session: build,
        machine,
        userns: userns.as_fd(),
        switch: None,
        reporter,
        beside: &beside,
    }
    .start_over(&disk)
}

/// A host without the file has no name server either.
fn host_resolv() -> String {
    let mut text = Vec::new();
    let read =
        File::open("/etc/resolv.conf").and_then(|file| file.take(MAX_RESOLV_BYTES).read_to_end(&mut text));
    read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

impl Making<'_> {
    fn all(
        &self,
        asked: &Asked<'_>,
        secrets: &[BorrowedFd<'_>],
    ) -> Result<Vec<(MountPlan, Option<OwnedFd>)>, Refusal> {
        let (mut slots, mut secrets) = (asked.slots.iter().copied(), secrets.iter().copied());
        let make = |(number, mount): (usize, &BuildMount)| {
            let place = self.place(number)?;
            match mount {
                BuildMount::Tmpfs { target, size_bytes } => self.tmpfs(target, *size_bytes),
                BuildMount::Bind { target, layers, subpath } => {
                    self.attached(target, self.other_layers(&place, number, layers, subpath)?)
                }
                BuildMount::Cache { target, id, scope, mode, uid, gid, .. } => {
                    let name = cache_name(scope, id, slots.next().unwrap_or(0));
                    self.attached(target, self.cache(&name, *mode, *uid, *gid)?)
                }
                BuildMount::Secret { target, mode, uid, gid } => {
                    let content = self.secret_content(secrets.next())?;
                    self.attached(target, self.secret(&place, &content, *mode, *uid, *gid)?)
                }
            }
        };
        asked.mounts.iter().enumerate().map(make).collect()
    }

    fn failed<E: std::fmt::Display>(&self) -> impl Fn(E) -> Refusal {
        |error| refused(&self.operation, &error)
    }

    /// A folder for what a mount needs.
    fn place(&self, number: usize) -> Result<PathBuf, Refusal> {
        let place = self.folder.join(format!("mount-{number}"));
        make_folder(&place).map_err(self.failed())?;
        Ok(place)
    }

    fn attached(&self, target: &str, tree: OwnedFd) -> Result<(MountPlan, Option<OwnedFd>), Refusal> {
        Ok((MountPlan::made(target).map_err(self.failed())?, Some(tree)))
    }

    fn tmpfs(&self, target: &str, bytes: u64) -> Result<(MountPlan, Option<OwnedFd>), Refusal> {
        let mut plan = MountPlan::made(target).map_err(self.failed())?;
        plan = MountPlan { target: plan.target, ..MountPlan::filesystem(c"tmpfs", "/") };
        let text = |text: String| std::ffi::CString::new(text).map_err(self.failed());
        plan.options = vec![
            (c"size".to_owned(), Some(text(bytes.to_string())?)),
            (c"mode".to_owned(), Some(c"1777".to_owned())),
        ];
        plan.attributes = Attributes { set: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, clear: 0 };
        Ok((plan, None))
    }

    /// An overlay of its own, whose writable folder is on the build's disk.
    fn other_layers(
        &self,
        place: &Path,
        number: usize,
        layers: &[DiffId],
        subpath: &str,
    ) -> Result<OwnedFd, Refusal> {
        let folder = File::open(self.ground.node.layers_dir()).map_err(self.failed())?;
        let written = self.disk.upper.with_file_name(format!("mount-{number}"));
        let (upper, work) = (written.join("upper"), written.join("work"));
        let owner = Some(self.ground.node.first_id(self.build));
        for path in [&written, &upper, &work] {
            make_folder(path).and_then(|()| chown(path, owner, owner)).map_err(self.failed())?;
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).map_err(self.failed())?;
        }
        let root = layers::mount(&Layers {
            folder: folder.as_fd(),
            layers,
            idmap: self.idmap,
            upper: &upper,
            work: &work,
            scratch: place,
        })
        .map_err(|error| refused_step(&self.operation, &error))?;
        let found = inside::open(root.as_fd(), &Path::new("/").join(subpath), OFlag::O_PATH);
        let found =
            found.map_err(|errno| Refusal::failed(&format!("find `{subpath}` to mount it"), errno))?;
        open_tree(found.as_fd(), c"").map_err(self.failed())
    }

    /// A disk of the image range, so that its size is bounded and its owners mean the same to each build.
    fn cache(&self, name: &str, mode: u32, uid: u32, gid: u32) -> Result<OwnedFd, Refusal> {
        let folder = self.ground.node.caches_dir().join(name);
        fs::create_dir_all(&folder).map_err(self.failed())?;
        let (driver, base) = (&self.ground.driver, self.ground.node.uid_base);
        driver
            .create(&folder, self.disk_bytes, base)
            .map_err(|error| refused_disk(&self.operation, &error))?;
        let disk = driver.attach(&folder).map_err(self.failed())?;
        let files = disk.upper.join("files");
        if !files.exists() {
            let new = disk.upper.join("new");
            make_folder(&new).map_err(self.failed())?;
            chown(&new, Some(base + uid), Some(base + gid)).map_err(self.failed())?;
            fs::set_permissions(&new, PermissionsExt::from_mode(mode & MODE_BITS)).map_err(self.failed())?;
            fs::rename(&new, &files).map_err(self.failed())?;
        }
        let files = File::open(&files).map_err(self.failed())?;
        let tree = open_tree(files.as_fd(), c"").map_err(self.failed())?;
        let attributes = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
        set_attributes(tree.as_fd(), attributes, Some(self.idmap)).map_err(self.failed())?;
        Ok(tree)
    }

    fn secret_content(&self, from: Option<BorrowedFd<'_>>) -> Result<Vec<u8>, Refusal> {
        let missing = || Refusal::failed("read a secret", nix::errno::Errno::EBADF);
        let from = from.ok_or_else(missing)?.try_clone_to_owned().map_err(self.failed())?;
        let mut content = Vec::new();
        let mut from = crate::archive::Input::from(from).take(MAX_SECRET_BYTES as u64 + 1);
        from.read_to_end(&mut content).map_err(self.failed())?;
        if content.len() > MAX_SECRET_BYTES {
            let message = format!("a secret has more than {MAX_SECRET_BYTES} bytes");
            return Err(Refusal { kind: RefusalKind::Invalid, message, step: None });
        }
        Ok(content)
    }

    /// Of all its file system only the one file is seen inside.
    fn secret(
        &self,
        place: &Path,
        content: &[u8],
        mode: u32,
        uid: u32,
        gid: u32,
    ) -> Result<OwnedFd, Refusal> {
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        mount(Some("sandlot"), place, Some("tmpfs"), flags, Some("size=1m,nr_inodes=8,mode=700"))
            .map_err(self.failed())?;
        let path = place.join("secret");
        fs::write(&path, content).map_err(self.failed())?;
        let base = self.ground.node.first_id(self.build);
        chown(&path, Some(base + uid), Some(base + gid)).map_err(self.failed())?;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode & MODE_BITS)).map_err(self.failed())?;
        let file = File::open(&path).map_err(self.failed())?;
        let tree = open_tree(file.as_fd(), c"").map_err(self.failed())?;
        let attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        set_attributes(tree.as_fd(), attributes, None).map_err(self.failed())?;
        Ok(tree)
    }
}

/// A folder's name that no scope and no name can choose.
fn cache_name(scope: &str, id: &str, slot: u32) -> String {
    let digest = Sha256::new().chain_update(scope).chain_update([0]).chain_update(id).finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if slot == 0 { hex } else { format!("{hex}-{slot}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_of_other_scopes_have_other_names() {
        assert_eq!(cache_name("a", "b", 0), cache_name("a", "b", 0));
        assert_ne!(cache_name("a", "bc", 0), cache_name("ab", "c", 0));
        assert!(cache_name("a", "b", 3).ends_with("-3"));
    }
}
