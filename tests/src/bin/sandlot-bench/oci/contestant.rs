//! One program that starts containers, and what was measured of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandlot_tests::node;

use super::ground::Ground;

/// Where a hybrid host has the version 2 hierarchy, which crun 1.8 refuses to see beside version 1.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// A program with its arguments and samples.
pub(crate) struct Contestant {
    name: String,
    command: Vec<OsString>,
    /// A mount that is hidden from it.
    hidden: Option<&'static str>,
    times: Vec<Duration>,
    peak_kib: u64,
}

impl Contestant {
    /// The floor, our runtime, and the others that are installed; the floor comes first.
    ///
    /// # Errors
    /// When our binary was not built.
    pub(crate) fn all(ground: &Ground) -> Result<Vec<Self>> {
        let mut all =
            vec![Self::floor(ground), Self::runtime("sandlot-oci", &node::binary("sandlot-oci")?, ground)];
        for name in ["crun", "runc"] {
            if let Some(program) = installed(name) {
                all.push(Self::runtime(name, &program, ground));
            }
        }
        Ok(all)
    }

    fn floor(ground: &Ground) -> Self {
        let mut command = vec![ground.path("floor").into(), ground.bundle().root().into()];
        command.extend([
            ground.path("floor-upper").into(),
            format!("sandlot-floor-{}", std::process::id()).into(),
        ]);
        command.extend(ground.hierarchies().iter().map(OsString::from));
        Self { name: "plain C".to_owned(), command, hidden: None, times: Vec::new(), peak_kib: 0 }
    }

    fn runtime(name: &str, program: &Path, ground: &Ground) -> Self {
        let mut command: Vec<OsString> = vec![program.into(), "--root".into(), ground.path(name).into()];
        command.extend(["run".into(), "--bundle".into(), ground.bundle().path().into(), "bench".into()]);
        let hybrid = Path::new(UNIFIED).join("cgroup.procs").exists();
        let hidden = (name == "crun" && hybrid).then_some(UNIFIED);
        Self { name: name.to_owned(), command, hidden, times: Vec::new(), peak_kib: 0 }
    }

    /// Starts a few containers of which nothing is kept: binaries and compiled filters are then in memory.
    ///
    /// # Errors
    /// As [`Contestant::start`].
    pub(crate) fn warm_up(&mut self, ground: &Ground) -> Result<()> {
        for _ in 0..3 {
            self.start(ground)?;
        }
        self.times.clear();
        self.peak_kib = 0;
        Ok(())
    }

    /// One container, from the start of the program to its end.
    ///
    /// # Errors
    /// When the container fails.
    pub(crate) fn start(&mut self, ground: &Ground) -> Result<()> {
        let result = ground.path("result");
        let mut measure = Command::new(ground.path("measure"));
        if let Some(mount) = self.hidden {
            measure.args(["-u", mount]);
        }
        measure.arg(&result).args(&self.command).stdin(Stdio::null()).stdout(Stdio::null());
        ensure!(measure.status()?.success(), "{} failed: {:?}", self.name, self.command);
        let text = std::fs::read_to_string(&result)?;
        let (time, peak) = text.trim().split_once(' ').context("no two figures from measure")?;
        self.times.push(Duration::from_nanos(time.parse()?));
        self.peak_kib = self.peak_kib.max(peak.parse()?);
        Ok(())
    }

    /// What to call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// One sample for each start.
    pub(crate) fn times(&self) -> &[Duration] {
        &self.times
    }

    /// The largest resident memory of one of its processes, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.peak_kib
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    folders.iter().map(|f| Path::new(f).join(name)).find(|p| p.is_file())
}
