//! A node, its sessions, and the ways into their networks that only the host has.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode, binary};
use sandlot_tests::place::{self, Place, Said};

const CONFIG: &str = r#"
[playgrounds.lab]
image = "tiny"
memory = "64 MiB"
disk = "32 MiB"
instances = 3
net_admin = true

[limits]
sessions_per_address = 100
sessions_per_node = 100
starts_per_minute_per_address = 10000
"#;

/// A node on which only the test makes sessions.
pub(crate) struct Lab {
    pub(crate) node: TestNode,
    api: Api,
    folder: tempfile::TempDir,
}

/// A session of three, with the pid 1 of each and the switch between them.
pub(crate) struct Net {
    pub(crate) session: Session,
    pub(crate) instances: Vec<Place>,
    pub(crate) switch: Place,
    probe: String,
}

impl Lab {
    pub(crate) fn new() -> Result<Self> {
        need_nft()?;
        let arguments = ["--ready-networks", "0"].map(str::to_owned).to_vec();
        let node = TestNode::with(Options { config: CONFIG.to_owned(), arguments, ..Options::default() })?;
        let folder = tempfile::Builder::new().prefix("sandlot-probe-").tempdir()?;
        // Root of a session must be able to execute it.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let lab = Self { api: Api::new(&node.url())?, node, folder };
        fs::copy(binary("sandlot-probe")?, lab.probe())?;
        Ok(lab)
    }

    pub(crate) fn probe(&self) -> PathBuf {
        self.folder.path().join("sandlot-probe")
    }

    /// A new session.
    pub(crate) async fn net(&self) -> Result<Net> {
        let supervisor = self.node.supervisor_pid()?;
        let inodes = |places: &[Place]| places.iter().map(Place::inode).collect::<Result<BTreeSet<_>>>();
        let (before, known) =
            (inodes(&place::held_by(supervisor)?)?, place::first_processes(self.node.cgroup_parent())?);
        let session = self.api.create("lab").await?;
        let mut new = place::held_by(supervisor)?;
        new.retain(|place| place.inode().is_ok_and(|inode| !before.contains(&inode)));
        let switch = new.into_iter().next().context("the supervisor holds no new switch")?;
        let mut machines = place::first_processes(self.node.cgroup_parent())?;
        machines.retain(|machine| !known.contains(machine));
        ensure!(machines.len() == 3, "not three machines: {machines:?}");
        let instances = machines.into_iter().map(|(_, pid)| Place::Instance(pid)).collect();
        Ok(Net { session, instances, switch, probe: self.probe().display().to_string() })
    }
}

impl Net {
    /// The probe's path.
    pub(crate) fn probe(&self) -> &str {
        &self.probe
    }

    /// Runs the probe in the network of an instance.
    pub(crate) fn attack(&self, instance: usize, arguments: &[&str]) -> Result<Said> {
        self.instances[instance].run(&[&[self.probe.as_str()], arguments].concat())
    }

    /// Starts it there, and waits for its first line.
    pub(crate) fn watch(&self, instance: usize, arguments: &[&str]) -> Result<place::Running> {
        self.instances[instance].start(&[&[self.probe.as_str()], arguments].concat())
    }
}

fn need_nft() -> Result<()> {
    static FOUND: AtomicBool = AtomicBool::new(false);
    if !FOUND.load(Ordering::Relaxed) {
        let found = std::process::Command::new("nft").arg("--version").output();
        found.context("no nft(8): run `deploy/prerequisites.sh test`")?;
        FOUND.store(true, Ordering::Relaxed);
    }
    Ok(())
}
