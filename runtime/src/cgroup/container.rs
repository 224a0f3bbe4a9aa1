//! interim
use super::Error;
use crate::rootfs::cgroup_tree::View;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};
use std::os::fd::BorrowedFd;
use std::path::Path;
const H: [&str; 10] =
    ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified"];
/// x
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq)]
pub struct Place {
    path: String,
}
impl Place {
    /// x
    pub fn locate(p: Option<&Path>, id: &str, _rootless: bool) -> Result<Self, Error> {
        Ok(Self { path: p.map_or(id.to_owned(), |p| p.to_string_lossy().trim_start_matches('/').to_owned()) })
    }
}
/// x
#[derive(Debug)]
pub struct ContainerGroup {
    place: Place,
}
fn e(s: std::io::Error) -> Error {
    Error::kernel("x", "x", s)
}
#[allow(missing_docs)]
impl ContainerGroup {
    fn dirs(&self) -> Vec<String> {
        H.iter().map(|h| format!("/sys/fs/cgroup/{h}/{}", self.place.path)).collect()
    }
    pub fn create(place: &Place, _rootless: bool) -> Result<Self, Error> {
        let g = Self { place: place.clone() };
        for d in g.dirs() {
            std::fs::create_dir_all(&d).map_err(e)?;
            if d.contains("/cpuset/") {
                for f in ["cpuset.cpus", "cpuset.mems"] {
                    let mut at = std::path::PathBuf::from("/sys/fs/cgroup/cpuset");
                    let mut v = std::fs::read_to_string(at.join(f)).unwrap_or_default();
                    for c in place.path.split('/') {
                        at.push(c);
                        drop(std::fs::write(at.join(f), v.trim()));
                        v = std::fs::read_to_string(at.join(f)).unwrap_or_default();
                    }
                }
            }
        }
        Ok(g)
    }
    pub fn open(place: &Place) -> Result<Self, Error> {
        Ok(Self { place: place.clone() })
    }
    pub fn apply(&self, _r: &LinuxResources, _c: bool) -> Result<(), Error> {
        Ok(())
    }
    pub fn apply_devices(&self, _r: &[LinuxDeviceCgroup]) -> Result<(), Error> {
        Ok(())
    }
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        for d in self.dirs() {
            std::fs::write(format!("{d}/cgroup.procs"), pid.to_string()).map_err(e)?;
        }
        Ok(())
    }
    pub fn add_exec(&self, pid: i32, _init: i32) -> Result<(), Error> {
        self.add(pid)
    }
    pub fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    pub fn needs_move(&self) -> bool {
        true
    }
    pub fn sub_group(&self, _c: Option<&str>, n: &str) -> Result<Self, Error> {
        Ok(Self { place: Place { path: format!("{}/{n}", self.place.path) } })
    }
    pub fn set_frozen(&self, f: bool) -> Result<(), Error> {
        std::fs::write(
            format!("/sys/fs/cgroup/freezer/{}/freezer.state", self.place.path),
            if f { "FROZEN" } else { "THAWED" },
        )
        .map_err(e)
    }
    pub fn is_frozen(&self) -> Result<bool, Error> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/freezer/{}/freezer.state", self.place.path))
            .map(|t| t.trim() != "THAWED")
            .map_err(e)
    }
    pub fn processes(&self) -> Result<Vec<i32>, Error> {
        Ok(std::fs::read_to_string(format!("/sys/fs/cgroup/pids/{}/cgroup.procs", self.place.path))
            .map_err(e)?
            .lines()
            .filter_map(|l| l.parse().ok())
            .collect())
    }
    pub fn signal(&self, s: i32) -> Result<(), Error> {
        for p in self.processes()? {
            if let Ok(fd) = crate::sys::pidfd::open(nix::unistd::Pid::from_raw(p)) {
                drop(crate::sys::pidfd::send_number(std::os::fd::AsFd::as_fd(&fd), s));
            }
        }
        Ok(())
    }
    pub fn remove(&self) -> Result<(), Error> {
        for d in self.dirs() {
            for _ in 0..200 {
                match std::fs::remove_dir(&d) {
                    Ok(()) => break,
                    Err(x) if x.kind() == std::io::ErrorKind::NotFound => break,
                    Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
                }
            }
        }
        Ok(())
    }
    pub fn view(&self, _ns: bool) -> View {
        View::Hierarchies(
            H.iter()
                .map(|h| crate::rootfs::cgroup_tree::Hierarchy {
                    folder: (*h).to_owned(),
                    links: vec![],
                    controllers: if *h == "systemd" || *h == "unified" {
                        vec![]
                    } else {
                        vec![(*h).to_owned()]
                    },
                    name: (*h == "systemd").then(|| "systemd".to_owned()),
                    path: format!("/sys/fs/cgroup/{h}/{}", self.place.path).into(),
                })
                .collect(),
        )
    }
}
/// x
pub fn default_device_rules() -> Vec<LinuxDeviceCgroup> {
    vec![]
}
