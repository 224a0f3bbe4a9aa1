//! Limits and devices, as they stand in the files of the cgroup.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::ground::Ground;

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}")).trim().to_owned()
}

#[test]
fn limits_are_in_force_and_can_be_changed() {
    let ground = Ground::shell("sleep 100").set(
        "/linux/resources",
        json!({
            "memory": {"limit": 67_108_864, "reservation": 33_554_432},
            "cpu": {"shares": 512, "quota": 20_000, "period": 100_000, "cpus": "0"},
            "pids": {"limit": 33},
        }),
    );
    ground.detached();
    let (memory, v2) = ground.group("memory");
    let (cpu, pids, cpuset) = (ground.group("cpu").0, ground.group("pids").0, ground.group("cpuset").0);
    let expected = match v2 {
        true => [("memory.max", "67108864"), ("memory.low", "33554432")],
        false => [("memory.limit_in_bytes", "67108864"), ("memory.soft_limit_in_bytes", "33554432")],
    };
    for (file, value) in expected {
        assert_eq!(read(&memory, file), value, "{file}");
    }
    if v2 {
        assert_eq!((read(&cpu, "cpu.max"), read(&cpu, "cpu.weight")), ("20000 100000".into(), "20".into()));
    } else {
        assert_eq!(
            (read(&cpu, "cpu.cfs_quota_us"), read(&cpu, "cpu.shares")),
            ("20000".into(), "512".into())
        );
    }
    assert_eq!((read(&pids, "pids.max"), read(&cpuset, "cpuset.cpus")), ("33".into(), "0".into()));
    ground.ok(&["update", "--memory", "50M", "--pids-limit", "10", "--cpu-quota", "30000", "c"]);
    let (limit, quota) = match v2 {
        true => (read(&memory, "memory.max"), read(&cpu, "cpu.max")),
        false => (read(&memory, "memory.limit_in_bytes"), read(&cpu, "cpu.cfs_quota_us")),
    };
    assert_eq!(limit, "52428800");
    assert!(quota.starts_with("30000"), "{quota}");
    assert_eq!(read(&pids, "pids.max"), "10");
    let stats = ground.ok(&["events", "--stats", "c"]);
    assert!(stats.starts_with(r#"{"type":"stats","id":"c","data":{"#), "{stats}");
}

#[test]
fn only_allowed_devices_can_be_used() {
    let line = "mknod /dev/kmsg c 1 11 && cat /dev/null && ! head -c 1 /dev/kmsg && echo x >/dev/full";
    let caps = json!(["CAP_MKNOD", "CAP_SYSLOG"]);
    let caps = json!({"bounding": caps, "permitted": caps, "effective": caps});
    let said = Ground::shell(line).set("/process/capabilities", caps.clone()).run();
    assert!(said.err.contains("/dev/kmsg: Operation not permitted"), "{said:?}");
    assert!(said.err.contains("No space left on device"), "{said:?}");
    let rule = json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rm"});
    let said = Ground::shell("mknod /dev/kmsg c 1 11; head -c 1 /dev/kmsg >/dev/null && ! echo x >/dev/kmsg")
        .set("/linux/resources", json!({"devices": [{"allow": false, "access": "rwm"}, rule]}))
        .set("/process/capabilities", caps)
        .run();
    assert!(!said.err.contains("head:"), "{said:?}");
}

#[test]
fn a_cgroup_of_others_is_neither_emptied_nor_removed() {
    let first = Ground::shell("sleep 100");
    first.detached();
    let second = Ground::shell("sleep 100").set("/linux/cgroupsPath", json!(first.cgroup.clone()));
    let said = second.behind(&["run", "-d", "d"]);
    assert!(said.code == 0 && said.err.contains("container's cgroup is not empty"), "{said:?}");
    second.ok(&["delete", "-f", "d"]);
    assert_eq!(first.status(), "running");
    let broken = Ground::new(&["/nothing"]).set("/linux/cgroupsPath", json!(first.cgroup.clone()));
    assert_ne!(broken.run().code, 0);
    assert_eq!(first.status(), "running");
}

#[test]
fn memory_that_runs_out_is_told() {
    let ground = Ground::shell("read x; exit 0")
        .set("/linux/resources", json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}}));
    ground.behind(&["create", "c"]);
    let mut events = ground
        .command(&["events", "--interval", "60s", "c"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    ground.oci(&["exec", "c", "/bin/sh", "-c", "x=x; while :; do x=$x$x; done"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    ground.ok(&["delete", "-f", "c"]);
    let status = events.wait().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut events.stdout.take().unwrap(), &mut text).unwrap();
    assert!(status.success() && text.contains(r#"{"type":"oom","id":"c"}"#), "{text}");
}
