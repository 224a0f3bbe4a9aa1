//! Nothing of the host is in sight: processes, files, mounts, devices, network, shared memory.

use crate::case::{Case, Weakened, words};
use crate::host::Host;

/// All namespaces that a script usually takes.
const ALL: &[&str] = &["--pid", "--net", "--ipc", "--uts", "--cgroup"];
const ALL_BUT_PID: &[&str] = &["--net", "--ipc", "--uts", "--cgroup"];
const ALL_BUT_NET: &[&str] = &["--pid", "--ipc", "--uts", "--cgroup"];
const ALL_BUT_IPC: &[&str] = &["--pid", "--net", "--uts", "--cgroup"];

/// What belongs in `/dev`.
const DEVICES: &[&str] = &[
    "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
];

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "host_processes_are_not_seen",
        because: "not among",
        attack: |host| words(&["see-process", &host.word]),
        weakened: Weakened::ByHand(ALL_BUT_PID),
    },
    Case {
        name: "host_processes_get_no_signal",
        because: "ESRCH",
        attack: |host| words(&["signal-process", &host.pid().to_string()]),
        weakened: Weakened::ByHand(ALL_BUT_PID),
    },
    Case {
        name: "a_second_chroot_does_not_lead_out",
        because: "not in sight",
        attack: |host| words(&["leave-root", &host.folder.display().to_string()]),
        weakened: Weakened::ByHand(ALL),
    },
    Case {
        name: "host_paths_are_not_in_the_mount_table",
        because: "not among",
        attack: |host| words(&["see-mount", &host.folder.display().to_string()]),
        weakened: Weakened::ByHand(ALL),
    },
    Case {
        name: "dev_holds_nothing_else",
        because: "only the",
        attack: |_| [&["see-device"], DEVICES].concat().iter().map(|word| (*word).to_owned()).collect(),
        weakened: Weakened::ByHand(ALL),
    },
    Case { name: "the_disk_does_not_open", because: "EPERM", attack: disk, weakened: Weakened::ByHand(ALL) },
    Case {
        name: "kernel_log_device_does_not_open",
        because: "EPERM",
        attack: |_| words(&["open-device", "char", "1", "11"]),
        weakened: Weakened::ByHand(ALL),
    },
    Case {
        name: "loop_control_does_not_open",
        because: "EPERM",
        attack: |_| words(&["open-device", "char", "10", "237"]),
        weakened: Weakened::ByHand(ALL),
    },
    Case {
        name: "fuse_does_not_open",
        because: "EPERM",
        attack: |_| words(&["open-device", "char", "10", "229"]),
        weakened: Weakened::ByHand(ALL),
    },
    Case {
        name: "host_listeners_are_out_of_reach",
        because: "refused",
        attack: listener,
        weakened: Weakened::ByHand(ALL_BUT_NET),
    },
    Case {
        name: "abstract_sockets_are_out_of_reach",
        because: "refused",
        attack: |host| words(&["connect-abstract", &host.word]),
        weakened: Weakened::ByHand(ALL_BUT_NET),
    },
    Case {
        name: "host_sockets_are_not_seen",
        because: "not among",
        attack: |host| words(&["see-socket", &host.word]),
        weakened: Weakened::ByHand(ALL_BUT_NET),
    },
    Case {
        name: "host_links_are_not_seen",
        because: "only",
        attack: |_| words(&["see-link"]),
        weakened: Weakened::ByHand(ALL_BUT_NET),
    },
    Case {
        name: "host_shared_memory_is_not_seen",
        because: "not among",
        attack: |host| words(&["see-shared-memory", host.shared_memory()]),
        weakened: Weakened::ByHand(ALL_BUT_IPC),
    },
];

fn disk(host: &Host) -> Vec<String> {
    let (major, minor) = host.disk().unwrap_or_default();
    words(&["open-device", "block", &major.to_string(), &minor.to_string()])
}

fn listener(host: &Host) -> Vec<String> {
    words(&["connect", &host.address().map(|address| address.to_string()).unwrap_or_default()])
}
