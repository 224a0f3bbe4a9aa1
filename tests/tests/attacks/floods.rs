//! Floods end at the instance's own limits, and the instance lives on.

use anyhow::{Result, ensure};
use oci_spec::runtime::{PosixRlimitType, Spec};

use crate::case::{Case, Weakened, probe, words};
use crate::{Field, Test};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "processes_end_at_their_limit",
        because: "Resource temporarily unavailable",
        attack: |_| words(&["fork", "150"]),
        weakened: Weakened::Request(|machine| machine.limits.pids = 300),
    },
    Case {
        name: "memory_ends_at_its_limit",
        because: "signal 9",
        attack: |_| words(&["memory", "300"]),
        weakened: Weakened::Request(|machine| machine.limits.memory_bytes = 512 << 20),
    },
    Case {
        name: "open_files_end_at_their_limit",
        because: "Too many open files",
        attack: |_| words(&["open-files", "2000"]),
        weakened: Weakened::Spec(|spec| {
            drop_rlimit(spec, PosixRlimitType::RlimitNofile);
        }),
    },
    Case {
        name: "terminals_end_at_their_limit",
        because: "No space left",
        attack: |_| words(&["open-terminals", "100"]),
        weakened: Weakened::Spec(|spec| change_mount(spec, "/dev/pts", "max=64", None)),
    },
    Case {
        name: "shared_memory_ends_at_its_limit",
        because: "No space left",
        attack: |_| words(&["fill-disk", "/dev/shm", "80"]),
        weakened: Weakened::Spec(|spec| change_mount(spec, "/dev/shm", "size=65536k", Some("size=131072k"))),
    },
    Case {
        name: "dev_is_no_place_for_data",
        because: "No space left",
        attack: |_| words(&["fill-disk", "/dev", "80"]),
        weakened: Weakened::Spec(|spec| change_mount(spec, "/dev", "size=65536k", Some("size=131072k"))),
    },
];

pub(crate) const TESTS: &[Test] = &[
    ("a_memory_bomb_kills_only_itself", a_memory_bomb_kills_only_itself),
    ("a_fork_bomb_is_ended_with_its_instance", a_fork_bomb_is_ended_with_its_instance),
    ("ports_of_a_socket_flood_are_the_instances_own", ports_are_the_instances_own),
];

fn drop_rlimit(spec: &mut Spec, which: PosixRlimitType) {
    if let Some(process) = spec.process_mut() {
        let kept = process.rlimits().iter().flatten().filter(|limit| limit.typ() != which).cloned().collect();
        process.set_rlimits(Some(kept));
    }
}

fn change_mount(spec: &mut Spec, target: &str, option: &str, instead: Option<&str>) {
    for mount in
        spec.mounts_mut().iter_mut().flatten().filter(|mount| mount.destination().as_os_str() == target)
    {
        let kept = mount.options().iter().flatten().filter(|given| *given != option).cloned();
        let options = kept.chain(instead.map(str::to_owned)).collect();
        mount.set_options(Some(options));
    }
}

/// Another program of the same instance, its pid 1 and this process go on; the reason can be read.
fn a_memory_bomb_kills_only_itself(field: &Field) -> Result<()> {
    let cgroup = field.strong.cgroup()?;
    let before = cgroup.oom_kills()?;
    let command =
        sandlot_runtime::supervisor::protocol::Command { argv: words(&["cat"]), ..Default::default() };
    let mut neighbour = field.strong.spawn(&command)?;
    let bomb = probe(&field.strong, &words(&["memory", "300"]))?;
    ensure!(bomb.code == 128 + 9, "the bomb was not killed: {bomb:?}");
    ensure!(cgroup.oom_kills()? > before, "no kill was counted");
    neighbour.write(b"alive\n")?;
    let said = neighbour.end()?;
    ensure!(said.code == 0 && said.stdout == "alive\n", "the neighbour: {said:?}");
    ensure!(field.strong.run(&["true"])?.code == 0, "the instance died");
    Ok(())
}

/// Processes that fork all the time cannot be killed one by one; the end of the instance ends them all.
fn a_fork_bomb_is_ended_with_its_instance(field: &Field) -> Result<()> {
    let instance = sandlot_tests::instance::Instance::start(&field.image, Default::default())?;
    let command = sandlot_runtime::supervisor::protocol::Command {
        argv: words(&["sh", "-c", "bomb() { bomb | bomb & }; bomb; echo lit; sleep 1000"]),
        ..Default::default()
    };
    let mut bomb = instance.spawn(&command)?;
    bomb.wait_for("lit")?;
    let pids = instance.cgroup()?.usage()?.pids;
    ensure!(pids <= 100, "{pids} processes, more than the limit");
    ensure!(field.strong.run(&["true"])?.code == 0, "another instance does not answer");
    instance.end()
}

fn ports_are_the_instances_own(field: &Field) -> Result<()> {
    let flood = probe(&field.strong, &words(&["open-sockets", "40000"]))?;
    ensure!(flood.code == 1, "{flood:?}");
    ensure!(field.strong.run(&["true"])?.code == 0, "the instance died");
    std::net::UdpSocket::bind("127.0.0.1:0")?;
    Ok(())
}
