//! Cgroups by systemd, where it is pid 1: that is in the virtual machine.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::ground::Ground;

fn property(unit: &str, name: &str) -> String {
    let output = Command::new("systemctl").args(["show", unit, "-P", name]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
#[ignore = "needs systemd as pid 1; run in the virtual machine"]
fn a_container_is_a_scope_of_systemd() {
    assert_eq!(fs::read_to_string("/proc/1/comm").unwrap().trim(), "systemd", "systemd is not pid 1");
    let name = format!("t{}", std::process::id());
    let unit = format!("sandlot-{name}.scope");
    let ground = Ground::shell("sleep 100")
        .set("/linux/cgroupsPath", json!(format!("machine-test.slice:sandlot:{name}")))
        .set("/linux/resources", json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 33}, "unified": {"memory.high": "60000000"}}))
        .set("/annotations", json!({"org.systemd.property.TimeoutStopUSec": "uint64 2000000"}));
    let said = ground.behind(&["--systemd-cgroup", "run", "-d", "c"]);
    assert_eq!(said.code, 0, "{said:?}");
    let expected = [
        ("MemoryMax", "67108864"),
        ("TasksMax", "33"),
        ("Slice", "machine-test.slice"),
        ("Delegate", "yes"),
        ("TimeoutStopUSec", "2s"),
    ];
    for (property_name, value) in expected {
        assert_eq!(property(&unit, property_name), value, "{property_name}");
    }
    let folder = format!("/sys/fs/cgroup/machine.slice/machine-test.slice/{unit}");
    assert_eq!(fs::read_to_string(format!("{folder}/memory.high")).unwrap().trim(), "59998208");
    assert_eq!(ground.ok(&["--systemd-cgroup", "exec", "c", "/bin/cat", "/proc/self/cgroup"]), "0::/\n");
    ground.ok(&["--systemd-cgroup", "update", "--pids-limit", "22", "c"]);
    assert_eq!(property(&unit, "TasksMax"), "22");
    ground.ok(&["--systemd-cgroup", "delete", "-f", "c"]);
    assert_eq!(property(&unit, "LoadState"), "not-found");
    assert!(!std::path::Path::new(&folder).exists());
}
