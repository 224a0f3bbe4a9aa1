//! What a request may ask for: every value checked against the node's ceiling, every list against its bound.

use std::net::IpAddr;
use std::time::Duration;

use super::name::{InstanceIndex, SessionNumber};
use super::node::{NodeFile, Way};
use super::protocol::{
    BuildMount, Command, Destination, Egress, Limits, MAX_BUILD_MOUNTS, MAX_GROUPS, MAX_LAYERS,
    MAX_PERMIT_SECONDS, MAX_PERMITTED, MAX_REACHES, Machine, Reach, Refusal, RefusalKind, Winsize,
};
use crate::net::ranges::{self, Range};

/// Least memory of an instance, in bytes: below it not even the reaper and a shell start.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;
/// Least disk of an instance, in bytes: an empty file system takes some of it.
const LEAST_DISK: u64 = 4 * 1024 * 1024;
/// Least thousandths of a cpu: the kernel's shortest quota is 1 ms in 100 ms.
const LEAST_CPU_MILLIS: u32 = 10;
/// Least processes: the reaper, a shell, a program and one worker that joins.
const LEAST_PIDS: u32 = 4;
/// Arguments and variables of a command, each, at most.
const MAX_STRINGS: usize = 1024;
/// Bytes of a path, at most, as for the kernel.
const MAX_PATH_BYTES: usize = 4095;
/// Rows and columns of a terminal, at most.
const MAX_SIZE: u16 = 1000;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, message: message.into(), step: None }
}

/// Checks the machines of a session that is to be started.
/// Checks one machine.
pub(crate) fn check_machines(
    node: &NodeFile,
    number: SessionNumber,
    machines: &[Machine],
) -> Result<(), Refusal> {
    if number.get() > node.max_sessions {
        return Err(invalid(format!(
            "session {number}: the node's ranges of ids end at {}",
            node.max_sessions
        )));
    }
    if machines.is_empty() || machines.len() > usize::from(InstanceIndex::COUNT) {
        return Err(invalid(format!(
            "session {number}: it must have 1 to {} instances",
            InstanceIndex::COUNT
        )));
    }
    for (place, machine) in machines.iter().enumerate() {
        if usize::from(machine.index.get()) != place {
            return Err(invalid(format!(
                "session {number}: instance {} stands at place {place}",
                machine.index
            )));
        }
        check_machine(&node.ceiling, machine)?;
    }
    Ok(())
}

/// Checks the machine of a build.
pub(crate) fn check_build(ceiling: &Limits, machine: &Machine, mounts: &[BuildMount]) -> Result<(), Refusal> {
    if machine.index.get() != 0 {
        return Err(invalid("start a build: its instance must have index 0"));
    }
    if machine.layers.len() > MAX_LAYERS {
        return Err(invalid(format!("start a build: more than {MAX_LAYERS} layers")));
    }
    check_limits(ceiling, &machine.limits).map_err(|rule| invalid(format!("start a build: {rule}")))?;
    if mounts.len() > MAX_BUILD_MOUNTS {
        return Err(invalid(format!("start a build: more than {MAX_BUILD_MOUNTS} mounts")));
    }
    mounts.iter().try_for_each(check_mount)
}

fn check_mount(mount: &BuildMount) -> Result<(), Refusal> {
    let (target, good) = match mount {
        BuildMount::Tmpfs { target, size_bytes } => (target, *size_bytes > 0),
        BuildMount::Bind { target, layers, subpath } => {
            let is_path = subpath.len() <= MAX_PATH_BYTES && !subpath.contains('\0');
            (target, is_path && (1..=MAX_LAYERS).contains(&layers.len()))
        }
        BuildMount::Cache { target, id, scope, uid, gid, .. } => {
            let named = (1..=1000).contains(&id.len()) && (1..=200).contains(&scope.len());
            (target, named && is_inner(*uid) && is_inner(*gid) && !format!("{id}{scope}").contains('\0'))
        }
        BuildMount::Secret { target, uid, gid, .. } => (target, is_inner(*uid) && is_inner(*gid)),
    };
    check_path(target)?;
    let parts = std::path::Path::new(target).components();
    let is_root = !target.starts_with('/') || parts.count() < 2;
    if is_root {
        return Err(invalid(format!("mount at `{target}`: it must be an absolute path below the root")));
    }
    if good { Ok(()) } else { Err(invalid(format!("mount at `{target}`: a value is outside its bounds"))) }
}

/// Whether an id is one of those inside.
fn is_inner(id: u32) -> bool {
    id < super::node::IDS_PER_SESSION
}

pub(crate) fn check_machine(ceiling: &Limits, machine: &Machine) -> Result<(), Refusal> {
    let layers = machine.layers.len();
    if layers == 0 || layers > MAX_LAYERS {
        return Err(invalid(format!(
            "instance {}: {layers} layers: must be 1 to {MAX_LAYERS}",
            machine.index
        )));
    }
    check_limits(ceiling, &machine.limits)
        .map_err(|rule| invalid(format!("instance {}: {rule}", machine.index)))
}

/// The first limit outside its bounds, said with its bound.
fn check_limits(ceiling: &Limits, limits: &Limits) -> Result<(), String> {
    let io = |limits: &Limits| limits.io_bytes_per_second.unwrap_or(u64::MAX);
    let bounds = [
        ("memory_bytes", LEAST_MEMORY, limits.memory_bytes, ceiling.memory_bytes),
        ("swap_bytes", 0, limits.swap_bytes, ceiling.swap_bytes),
        ("cpu_millis", LEAST_CPU_MILLIS.into(), limits.cpu_millis.into(), ceiling.cpu_millis.into()),
        ("pids", LEAST_PIDS.into(), limits.pids.into(), ceiling.pids.into()),
        ("disk_bytes", LEAST_DISK, limits.disk_bytes, ceiling.disk_bytes),
        ("io_bytes_per_second", 1, io(limits), io(ceiling)),
    ];
    for (field, least, value, most) in bounds {
        if value < least {
            return Err(format!("{field} {value} is below the least, {least}"));
        }
        if value > most {
            return Err(format!("{field} {value} is above the node's ceiling, {most}"));
        }
    }
    Ok(())
}

/// Checks a program to be run. `may_be_login` allows an empty argv.
pub(crate) fn check_command(command: &Command, may_be_login: bool) -> Result<(), Refusal> {
    if command.argv.is_empty() && !may_be_login {
        return Err(invalid("command: argv is empty"));
    }
    if command.argv.len() > MAX_STRINGS || command.env.len() > MAX_STRINGS {
        return Err(invalid(format!("command: more than {MAX_STRINGS} arguments or variables")));
    }
    let names = command.env.iter().map(|(name, _)| name);
    if names.clone().any(|name| name.is_empty() || name.contains('=')) {
        return Err(invalid("command: the name of a variable is empty or has a `=`"));
    }
    let values = command.env.iter().map(|(_, value)| value);
    let rest = command.argv.iter().chain(&command.cwd).chain(&command.user);
    if names.chain(values).chain(rest).any(|text| text.contains('\0')) {
        return Err(invalid("command: a text has a zero byte"));
    }
    Ok(())
}

/// Checks the way out that a session asks for against what root allows.
pub(crate) fn check_egress(way: &Way, egress: &Egress) -> Result<(), Refusal> {
    if egress.allow.len() > MAX_REACHES || egress.deny.len() > MAX_REACHES {
        return Err(invalid(format!("egress: more than {MAX_REACHES} networks and groups of names")));
    }
    if egress.connections == 0 || egress.connections_per_second == 0 || egress.bytes_per_second == Some(0) {
        return Err(invalid("egress: a limit is zero"));
    }
    let own: Vec<Range> = way.private.iter().map(|(address, prefix)| Range(*address, *prefix)).collect();
    egress.allow.iter().chain(&egress.deny).try_for_each(check_reach)?;
    for reach in &egress.allow {
        let Destination::Network(address, prefix) = reach.to else { continue };
        let range = Range(address, prefix);
        if ranges::is_private(address, prefix) && !own.iter().any(|own| range.is_within(*own)) {
            let message = format!("egress: the node does not allow the private network {address}/{prefix}");
            return Err(Refusal { kind: RefusalKind::Denied, ..invalid(message) });
        }
    }
    Ok(())
}

fn check_reach(reach: &Reach) -> Result<(), Refusal> {
    let good = match reach.to {
        Destination::Network(address, prefix) => Range(address, prefix).is_valid(),
        Destination::Group(group) => group < MAX_GROUPS,
    };
    let ordered = reach.ports.is_none_or(|(first, last)| first <= last);
    if good && ordered {
        Ok(())
    } else {
        Err(invalid("egress: a network, group or port is outside its bounds"))
    }
}

/// Checks what is to be permitted: only groups that the session was started with.
pub(crate) fn check_permit(
    egress: Option<&Egress>,
    group: u8,
    addresses: &[(IpAddr, u32)],
) -> Result<Vec<(IpAddr, Duration)>, Refusal> {
    let reaches = egress.iter().flat_map(|egress| egress.allow.iter().chain(&egress.deny));
    let is_known = reaches.into_iter().any(|reach| reach.to == Destination::Group(group));
    if !is_known || addresses.len() > MAX_PERMITTED {
        return Err(invalid(format!("permit: no such group, or more than {MAX_PERMITTED} addresses")));
    }
    let time = |seconds: u32| Duration::from_secs(seconds.clamp(1, MAX_PERMIT_SECONDS).into());
    Ok(addresses.iter().map(|(address, seconds)| (*address, time(*seconds))).collect())
}

/// Checks a path inside an instance.
pub(crate) fn check_path(path: &str) -> Result<(), Refusal> {
    let good = !path.is_empty() && path.len() <= MAX_PATH_BYTES && !path.contains('\0');
    if good { Ok(()) } else { Err(invalid("path: it must have 1 to 4095 bytes, and none of them zero")) }
}

/// Checks a terminal's size.
pub(crate) fn check_size(size: Winsize) -> Result<(), Refusal> {
    let good = |value: u16| (1..=MAX_SIZE).contains(&value);
    if good(size.rows) && good(size.cols) {
        return Ok(());
    }
    Err(invalid(format!("size {} x {}: rows and columns must be 1 to {MAX_SIZE}", size.rows, size.cols)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILING: Limits = Limits {
        memory_bytes: 1 << 30,
        swap_bytes: 0,
        cpu_millis: 1000,
        pids: 100,
        disk_bytes: 1 << 30,
        io_bytes_per_second: Some(1000),
    };

    #[test]
    fn each_limit_has_its_ceiling() {
        assert_eq!(check_limits(&CEILING, &CEILING), Ok(()));
        let above = [
            ("memory_bytes", Limits { memory_bytes: CEILING.memory_bytes + 1, ..CEILING }),
            ("swap_bytes", Limits { swap_bytes: 1, ..CEILING }),
            ("cpu_millis", Limits { cpu_millis: 1001, ..CEILING }),
            ("pids", Limits { pids: 101, ..CEILING }),
            ("disk_bytes", Limits { disk_bytes: u64::MAX, ..CEILING }),
            ("io_bytes_per_second", Limits { io_bytes_per_second: None, ..CEILING }),
        ];
        for (field, limits) in above {
            let rule = check_limits(&CEILING, &limits).unwrap_err();
            assert!(rule.starts_with(field) && rule.contains("ceiling"), "{rule}");
        }
    }

    #[test]
    fn commands_with_zero_bytes_are_refused() {
        let argv = |text: &str| Command { argv: vec![text.into()], ..Command::default() };
        assert!(check_command(&argv("true"), false).is_ok());
        assert!(check_command(&argv("a\0b"), false).is_err());
        assert!(check_command(&Command::default(), false).is_err());
        assert!(check_command(&Command::default(), true).is_ok());
        let env = Command { env: vec![("A=B".into(), String::new())], ..argv("true") };
        assert!(check_command(&env, false).is_err());
    }
}
