//! From `create` to `delete`.

use serde_json::Value;

use crate::ground::Ground;

#[test]
fn a_container_is_created_started_killed_and_deleted() {
    let ground = Ground::shell("trap 'exit 3' TERM; while :; do sleep 0.1; done");
    ground.behind(&["create", "c"]);
    assert_eq!(ground.status(), "created");
    assert!(ground.oci(&["delete", "x"]).err.contains("container does not exist"));
    assert!(ground.oci(&["create", "c"]).err.contains("container with given ID already exists"));
    ground.ok(&["start", "c"]);
    assert_eq!(ground.status(), "running");
    let again = ground.oci(&["start", "c"]);
    assert!(again.code == 1 && again.err.contains("cannot start an already running container"), "{again:?}");
    let early = ground.oci(&["delete", "c"]);
    assert!(early.err.contains("cannot delete container c that is not stopped: running"), "{early:?}");
    ground.ok(&["kill", "c", "TERM"]);
    wait_for(&ground, "stopped");
    assert!(ground.oci(&["kill", "c", "KILL"]).err.contains("container not running"));
    ground.ok(&["delete", "c"]);
}

#[test]
fn run_gives_the_programs_status() {
    assert_eq!(Ground::shell("exit 7").run().code, 7);
    assert_eq!(Ground::shell("kill -9 $$; sleep 1").run().code, 0, "pid 1 cannot kill itself");
    let said = Ground::shell("echo out; echo err >&2").run();
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "out\n", "err\n"));
}

#[test]
fn a_created_container_that_is_killed_cannot_be_started() {
    let ground = Ground::shell("true");
    ground.behind(&["create", "c"]);
    ground.ok(&["kill", "c", "KILL"]);
    wait_for(&ground, "stopped");
    assert!(ground.oci(&["start", "c"]).err.contains("cannot start a container that has stopped"));
}

#[test]
fn state_and_list_say_the_same() {
    let ground = Ground::shell("sleep 100").set("/annotations", serde_json::json!({"a": "b"}));
    ground.detached();
    let state: Value = serde_json::from_str(&ground.ok(&["state", "c"])).unwrap();
    let list: Value = serde_json::from_str(&ground.ok(&["list", "-f", "json"])).unwrap();
    for field in ["id", "pid", "status", "bundle", "created", "ociVersion", "rootfs"] {
        assert_eq!(state[field], list[0][field], "{field}");
    }
    assert_eq!(state["annotations"]["a"], "b");
    assert_eq!(ground.ok(&["list", "-q"]), "c\n");
    let processes: Vec<i32> = serde_json::from_str(&ground.ok(&["ps", "-f", "json", "c"])).unwrap();
    assert!(processes.contains(&ground.pid()));
}

#[test]
fn a_paused_container_stands_still() {
    let ground = Ground::shell("sleep 100");
    ground.detached();
    ground.ok(&["pause", "c"]);
    assert_eq!(ground.status(), "paused");
    assert!(ground.oci(&["exec", "c", "true"]).err.contains("cannot exec in a paused container"));
    ground.ok(&["resume", "c"]);
    assert_eq!(ground.status(), "running");
    ground.ok(&["exec", "c", "true"]);
    ground.ok(&["pause", "c"]);
    ground.ok(&["delete", "-f", "c"]);
}

pub(crate) fn wait_for(ground: &Ground, status: &str) {
    for _ in 0..500 {
        let said = ground.oci(&["state", "c"]);
        if said.code == 0 && said.out.contains(&format!("\"{status}\"")) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never {status}");
}
