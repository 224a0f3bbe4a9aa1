//! Namespaces that are joined, and those with settings of their own.

use std::fs;

use serde_json::json;

use crate::ground::Ground;

#[test]
fn namespaces_of_another_container_can_be_joined() {
    let first = Ground::shell("sleep 100");
    first.detached();
    let pid = first.pid();
    let kinds = [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
    let mut namespaces = vec![json!({"type": "mount"}), json!({"type": "cgroup"})];
    namespaces
        .extend(kinds.map(|(kind, name)| json!({"type": kind, "path": format!("/proc/{pid}/ns/{name}")})));
    let second = Ground::shell("readlink /proc/self/ns/net; readlink /proc/self/ns/uts; cat /proc/1/cmdline")
        .set("/linux/namespaces", json!(namespaces))
        .set("/hostname", json!(null));
    let said = second.run();
    for kind in ["net", "uts"] {
        let own = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert!(said.out.contains(&own.display().to_string()), "{kind}: {said:?}");
    }
    assert!(said.out.contains("sleep"), "{said:?}");
}

#[test]
fn clocks_can_be_set_back_and_forth() {
    let ground = Ground::shell("cat /proc/uptime")
        .set("/linux/namespaces/-", json!({"type": "time"}))
        .set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000, "nanosecs": 0}}));
    let said = ground.run();
    let seconds: f64 = said.out.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{said:?}"));
    assert!(seconds > 1_000_000.0, "{said:?}");
}

#[test]
fn a_user_namespace_maps_ids() {
    let maps = json!([{"containerID": 0, "hostID": 700_000, "size": 65_536}]);
    let ground = Ground::shell(
        "id -u; cat /proc/self/uid_map; stat -c %u /dev/null; echo x >/tmp/x && stat -c %u /tmp/x",
    )
    .set("/linux/namespaces/-", json!({"type": "user"}))
    .set("/linux/uidMappings", maps.clone())
    .set("/linux/gidMappings", maps)
    .set("/mounts/-", json!({"destination": "/tmp", "type": "tmpfs", "source": "t"}));
    let said = ground.run();
    let words: Vec<&str> = said.out.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "700000", "65536", "65534", "0"], "{said:?}");
}

#[test]
fn settings_belong_to_the_container() {
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let other = if before.trim() == "1" { "0" } else { "1" };
    let said = Ground::shell("cat /proc/sys/net/ipv4/ip_forward; hostname")
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": other}))
        .run();
    assert_eq!(said.out, format!("{other}\nbundle\n"), "{said:?}");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), before);
}
