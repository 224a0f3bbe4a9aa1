//! What a container may not do, each with the proof that a weakened container can: no test passes by accident.

use std::collections::HashSet;

use oci_spec::runtime::{Capability, LinuxCapabilitiesBuilder, Spec};

use crate::Test;
use crate::fixture::{Draft, Machine};

pub(crate) const TESTS: &[Test] = &[
    ("kernel_settings_are_read_only", kernel_settings_are_read_only),
    ("masked_paths_are_empty", masked_paths_are_empty),
    ("mounting_is_refused", mounting_is_refused),
    ("new_user_namespaces_are_refused", new_user_namespaces_are_refused),
    ("network_changes_are_refused", network_changes_are_refused),
    ("setuid_programs_work_unless_refused", setuid_programs_work_unless_refused),
    ("devices_cannot_be_made", devices_cannot_be_made),
    ("terminals_are_bounded", terminals_are_bounded),
    ("no_descriptor_or_folder_of_the_host_is_reachable", no_descriptor_or_folder_of_the_host_is_reachable),
];

/// The line must fail as it is, and succeed in the weakened machine.
fn only_when_weakened(line: &str, weaken: impl FnOnce(&mut Spec)) {
    let refused = Machine::new().sh(line);
    assert_ne!(refused.code, 0, "`{line}` is allowed: {refused:?}");
    let allowed = Draft::new().respec(weaken).start().unwrap().sh(line);
    assert_eq!(allowed.code, 0, "`{line}` fails for another reason: {allowed:?}");
}

fn kernel_settings_are_read_only() {
    let line = "echo 1 >/proc/sys/net/ipv4/ip_forward";
    only_when_weakened(line, |spec| {
        give(spec, Capability::NetAdmin);
        spec.linux_mut().as_mut().unwrap().set_readonly_paths(None);
    });
    let with_capability = Draft::new().respec(|spec| give(spec, Capability::NetAdmin)).start().unwrap();
    assert!(with_capability.sh(line).stderr.contains("Read-only file system"));
    let machine = Machine::new();
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/sysrq",
        "/proc/sysrq-trigger",
        "/sys/kernel/mm/ksm/run",
    ] {
        assert_ne!(machine.sh(&format!("echo 1 >{path}")).code, 0, "{path} can be written");
    }
    assert_ne!(machine.sh("mkdir /sys/fs/cgroup/x").code, 0);
}

fn masked_paths_are_empty() {
    only_when_weakened("test -s /proc/keys || grep -q . /proc/keys || test -f /proc/keys", |spec| {
        spec.linux_mut().as_mut().unwrap().set_masked_paths(None);
    });
    assert_eq!(Machine::new().sh("ls /sys/firmware /proc/acpi | grep -v : | grep -c .").stdout, "0\n");
}

fn mounting_is_refused() {
    only_when_weakened("mount -t tmpfs none /tmp", |spec| {
        give(spec, Capability::SysAdmin);
        spec.linux_mut().as_mut().unwrap().set_seccomp(None);
    });
    // The capability alone does not lift the filter.
    let with_capability = Draft::new().respec(|spec| give(spec, Capability::SysAdmin)).start().unwrap();
    assert_ne!(with_capability.sh("mount -t tmpfs none /tmp").code, 0);
    assert_ne!(Machine::new().sh("umount /sys/firmware").code, 0);
}

fn new_user_namespaces_are_refused() {
    let line = "unshare -U true";
    assert_ne!(Machine::new().sh(line).code, 0);
    let draft = Draft::new().describe(|machine| machine.user_namespaces = true);
    let allowed = draft.start().unwrap().sh(line);
    assert_eq!(allowed.code, 0, "{allowed:?}");
}

fn network_changes_are_refused() {
    only_when_weakened("ip link set lo down", |spec| give(spec, Capability::NetAdmin));
}

fn setuid_programs_work_unless_refused() {
    let run_as_root = |no_new_privileges: bool| {
        let draft =
            Draft::new().describe(|machine| machine.no_new_privileges = no_new_privileges).image(|tree| {
                std::fs::write(tree.join("etc/passwd"), "root::0:0:root:/root:/bin/sh\n").unwrap();
                std::fs::remove_file(tree.join("bin/su")).unwrap();
                std::fs::copy(tree.join("bin/busybox"), tree.join("bin/su")).unwrap();
            });
        // After the change of owner, which drops the bit.
        draft.mark_setuid("bin/su");
        let machine = draft.start().unwrap();
        machine.run_as(&["su", "-c", "grep -E '^(Uid|CapEff)' /proc/self/status"], Some("1000")).stdout
    };
    assert_eq!(run_as_root(false), "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n");
    assert_eq!(run_as_root(true), "");
}

fn devices_cannot_be_made() {
    let machine = Machine::new();
    assert_ne!(machine.sh("mknod /tmp/disk b 254 0").code, 0);
    assert_ne!(machine.sh("mknod /dev/mem2 c 1 1").code, 0);
    assert_eq!(machine.sh("echo x >/dev/null && head -c1 /dev/zero | wc -c").stdout, "1\n");
    assert_ne!(machine.sh("chmod 600 /dev/null").code, 0, "the host's node is changed");
}

fn terminals_are_bounded() {
    let machine = Machine::new();
    let size = sandlot_runtime::supervisor::protocol::Winsize { rows: 24, cols: 80 };
    let command = sandlot_runtime::supervisor::protocol::Command::default();
    let mut terminals = Vec::new();
    let refused = loop {
        match machine.join(&command, Some(size)) {
            Ok(joined) => terminals.push(joined),
            Err(error) => break error,
        }
        assert!(terminals.len() <= 64);
    };
    assert_eq!(terminals.len(), 64);
    assert_eq!(refused, "error: open the terminal: open `/dev/ptmx`: no space left on device");
}

fn no_descriptor_or_folder_of_the_host_is_reachable() {
    let machine = Machine::new();
    let output = machine.sh(
        "for fd in /proc/self/fd/*; do readlink $fd; done; readlink /proc/self/cwd /proc/1/cwd /proc/1/root",
    );
    for line in output.stdout.lines() {
        let own = line.starts_with("pipe:")
            || line.starts_with("/proc/")
            || ["/", "/root", "/dev/null"].contains(&line);
        assert!(own, "`{line}` in {output:?}");
    }
    for number in 3..40 {
        let cwd = Some(format!("/proc/self/fd/{number}"));
        let argv = vec!["pwd".to_owned()];
        let command = sandlot_runtime::supervisor::protocol::Command { argv, cwd, ..Default::default() };
        match machine.exec(&command) {
            Err(error) => assert!(error.contains("enter the working directory"), "{error}"),
            Ok(output) => assert_eq!(output.stdout, "/\n", "descriptor {number} leads outside"),
        }
    }
}

fn give(spec: &mut Spec, capability: Capability) {
    let mut set: HashSet<Capability> = sandlot_runtime::spec::DOCKER_DEFAULT.into_iter().collect();
    set.insert(capability);
    let builder =
        LinuxCapabilitiesBuilder::default().bounding(set.clone()).permitted(set.clone()).effective(set);
    let sets = builder.inheritable(HashSet::new()).ambient(HashSet::new()).build().unwrap();
    spec.process_mut().as_mut().unwrap().set_capabilities(Some(sets));
}
