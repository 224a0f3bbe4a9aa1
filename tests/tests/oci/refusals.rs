//! Bad input: a clear error, and nothing left.

use serde_json::{Value, json};

use crate::ground::Ground;

#[test]
fn what_cannot_be_carried_out_is_named() {
    let cases: [(&str, Value, &str); 12] = [
        ("/linux/intelRdt", json!({"closID": "x"}), "linux.intelRdt"),
        ("/vm", json!({"kernel": {"path": "/k"}}), "vm"),
        ("/process/cwd", json!("relative"), "Cwd must be an absolute path"),
        ("/process/args", json!([]), "process.args"),
        ("/process/oomScoreAdj", json!(5000), "process.oomScoreAdj"),
        ("/linux/rootfsPropagation", json!("sideways"), "linux.rootfsPropagation"),
        ("/linux/sysctl", json!({"kernel.panic": "1"}), "is not in a separate kernel namespace"),
        ("/linux/timeOffsets", json!({"boottime": {"secs": 1}}), "linux.timeOffsets"),
        (
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 0, "size": 1}]),
            "user namespace isn't enabled",
        ),
        ("/mounts/-", json!({"destination": "/x", "type": "bind"}), "mounts.source"),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": -1, "minor": 0}]),
            "linux.devices",
        ),
        ("/root/path", json!("nowhere"), "does not exist"),
    ];
    for (pointer, value, words) in cases {
        let said = Ground::shell("true").set(pointer, value).run();
        assert_eq!(said.code, 1, "{pointer}: {said:?}");
        assert!(said.err.contains(words), "{pointer}: {said:?}");
    }
}

#[test]
fn a_missing_program_is_told_in_the_words_of_engines() {
    for (program, words) in [
        ("nothing", r#"exec: "nothing": executable file not found in $PATH"#),
        ("/no/such", r#"exec: "/no/such": stat /no/such: no such file or directory"#),
        ("/etc", r#"exec: "/etc": permission denied"#),
    ] {
        let said = Ground::new(&[program]).run();
        assert_eq!(said.code, 1);
        assert!(said.err.contains(words), "{said:?}");
    }
}

#[test]
fn arguments_are_checked() {
    let ground = Ground::shell("true");
    assert!(ground.oci(&["run", "a/b"]).err.contains("invalid container ID format"));
    assert!(ground.oci(&["run", ""]).err.contains("container id cannot be empty"));
    assert!(ground.oci(&["run"]).err.contains("requires exactly 1 argument(s)"));
    assert!(ground.oci(&["run", "--nonsense", "c"]).err.contains("flag provided but not defined: -nonsense"));
    assert!(ground.oci(&["state", "c"]).err.contains("container does not exist"));
    assert!(ground.oci(&["run", "--bundle", "/nowhere", "c"]).err.contains("/nowhere"));
    assert!(ground.oci(&["nonsense"]).err.contains("No help topic for 'nonsense'"));
    assert!(ground.oci(&["run", "--preserve-fds", "7", "c"]).err.contains("unable to stat preserved-fd"));
    std::fs::write(ground.bundle.path().join("config.json"), "{").unwrap();
    assert!(ground.run().err.contains("EOF"));
    std::fs::remove_file(ground.bundle.path().join("config.json")).unwrap();
    assert!(ground.run().err.contains("config.json not found"));
}
