//! Hooks: where they run, what they are told, and what their failure does.

use std::fs;

use serde_json::{Value, json};

use crate::ground::Ground;

#[test]
fn hooks_run_in_their_order_with_the_state() {
    let ground = Ground::shell("true");
    let file = ground.bundle.path().join("hooks.log");
    let hook = |name: &str| {
        json!([{
            "path": "/bin/sh",
            "args": ["sh", "-c", format!("{{ echo {name}; cat; echo; }} >>{}", file.display())],
            "timeout": 5,
        }])
    };
    let hooks = json!({
        "prestart": hook("prestart"),
        "createRuntime": hook("createRuntime"),
        "createContainer": hook("createContainer"),
        "poststart": hook("poststart"),
        "poststop": hook("poststop"),
    });
    let ground = ground.set("/hooks", hooks);
    assert_eq!(ground.run().code, 0);
    let log = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let names: Vec<&str> = lines.iter().step_by(2).copied().collect();
    assert_eq!(names, ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
    let states: Vec<Value> =
        lines.iter().skip(1).step_by(2).map(|line| serde_json::from_str(line).unwrap()).collect();
    let status: Vec<&str> = states.iter().map(|state| state["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["creating", "creating", "creating", "running", "stopped"]);
    assert!(states.iter().all(|state| state["id"] == "c" && state["bundle"] == json!(ground.bundle.path())));
}

#[test]
fn a_failing_hook_stops_the_container() {
    for point in ["createRuntime", "createContainer", "startContainer", "poststart"] {
        let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "echo because >&2; exit 3"]}]);
        let said = Ground::shell("sleep 5").set(&format!("/hooks/{point}"), hook).run();
        assert_ne!(said.code, 0, "{point}");
        assert!(said.err.contains("exit status 3") && said.err.contains("because"), "{point}: {said:?}");
    }
}

#[test]
fn a_hook_has_its_time() {
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "sleep 60"], "timeout": 1}]);
    let said = Ground::shell("true").set("/hooks/createRuntime", hook).run();
    assert!(said.err.contains("hook ran past specified timeout of 1.0s"), "{said:?}");
}
