//! The process: what it is given, and what `exec` starts beside it.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use sandlot_tests::wait::{PATIENCE, until};
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

/// Callers start whoever takes the terminal at the same time.
#[test]
fn a_console_socket_may_come_later() {
    let ground = Ground::shell("tty").set("/process/terminal", json!(true));
    let path = ground.bundle.path().join("console");
    let mut create = ground.command(&["create", "--console-socket", path.to_str().unwrap(), "c"]);
    let mut create = create.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // It sleeps between two looks, and nowhere else.
    let call = format!("/proc/{}/syscall", create.id());
    let sleeps = || {
        let number = fs::read_to_string(&call).ok()?.split(' ').next()?.parse::<i64>().ok()?;
        (nix::libc::SYS_clock_nanosleep == number).then_some(())
    };
    until("a look for the socket", PATIENCE, sleeps).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    assert!(create.wait().unwrap().success());
    listener.set_nonblocking(true).unwrap();
    listener.accept().unwrap();
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
