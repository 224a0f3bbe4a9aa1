//! The process: what it is given, and what `exec` starts beside it.

use std::fs;

use serde_json::json;

use crate::ground::Ground;

#[test]
fn the_process_is_as_the_spec_has_it() {
    let line = "id -u; id -g; id -G; env | grep ^A=; umask; ulimit -n; grep -E '^(NoNewPrivs|CapEff|CapAmb)' /proc/self/status; \
                cat /proc/self/oom_score_adj; readlink /proc/self/cwd";
    let caps = json!(["CAP_NET_RAW"]);
    let said = Ground::shell(line)
        .set("/process/user", json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o27}))
        .set("/process/env", json!(["PATH=/bin", "A=b=c"]))
        .set("/process/cwd", json!("/made/for/it"))
        .set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]))
        .set("/process/oomScoreAdj", json!(500))
        .set("/process/noNewPrivileges", json!(true))
        .set("/process/capabilities", json!({"bounding": caps, "permitted": caps, "effective": caps, "inheritable": caps, "ambient": caps}))
        .set("/root/readonly", json!(false))
        .run();
    let expected = "1000\n1001\n1001 5 6\nA=b=c\n0027\n100\nCapEff:\t0000000000002000\nCapAmb:\t0000000000002000\n\
                    NoNewPrivs:\t1\n500\n/made/for/it\n";
    assert_eq!(said.out, expected, "{said:?}");
}

#[test]
fn exec_joins_with_what_it_is_given() {
    let ground = Ground::shell("sleep 100");
    ground.detached();
    let out = ground.ok(&[
        "exec",
        "--user",
        "3:4",
        "--cwd",
        "/bin",
        "--env",
        "X=y",
        "c",
        "/bin/sh",
        "-c",
        "id -u; id -g; readlink /proc/self/cwd; echo $X",
    ]);
    assert_eq!(out, "3\n4\n/bin\ny\n");
    assert_eq!(ground.oci(&["exec", "c", "/bin/sh", "-c", "exit 9"]).code, 9);
    let missing = ground.oci(&["exec", "c", "nothing"]);
    assert_eq!(missing.code, 255);
    assert!(missing.err.contains(r#"exec: "nothing": executable file not found in $PATH"#), "{missing:?}");
    let file = ground.bundle.path().join("process.json");
    fs::write(&file, r#"{"args": ["/bin/echo", "from a file"], "cwd": "/", "env": ["A=b"]}"#).unwrap();
    assert_eq!(ground.ok(&["exec", "-p", file.to_str().unwrap(), "c"]), "from a file\n");
    let pid_file = ground.bundle.path().join("pid");
    let args = ["exec", "-d", "--pid-file", pid_file.to_str().unwrap(), "c", "/bin/sleep", "50"];
    assert_eq!(ground.behind(&args).code, 0);
    let pid = fs::read_to_string(&pid_file).unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim(), "sleep");
}

#[test]
fn a_terminal_is_the_containers_own() {
    let said = Ground::shell("tty; stat -c %t:%T /dev/console; echo done")
        .set("/process/terminal", json!(true))
        .run();
    assert!(said.out.starts_with("/dev/pts/0\r\n") && said.out.ends_with("done\r\n"), "{said:?}");
    let detached = Ground::shell("true").set("/process/terminal", json!(true));
    let said = detached.oci(&["create", "c"]);
    assert!(
        said.err.contains("cannot allocate tty if runc will detach without setting console socket"),
        "{said:?}"
    );
}
