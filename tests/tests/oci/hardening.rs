//! The published ways out of other runtimes, one test each.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Stdio;

use nix::errno::Errno;
use sandlot_runtime::sys::mount::{self, Change, MOUNT_ATTR_RDONLY};
use serde_json::json;

use crate::ground::{Ground, Said, program};

/// CVE-2019-5736: a program that is a link to the runtime's own must not give a way to write to it.
#[test]
fn the_runtimes_own_program_cannot_be_overwritten() {
    let before = fs::read(program()).unwrap();
    let ground = Ground::new(&["/evil"]);
    fs::write(ground.bundle.root().join("evil"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(
        ground.bundle.root().join("evil"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    ground.run();
    drop(ground);
    // Somebody inside waits for a process of the runtime and takes hold of its program.
    let line = "while :; do for p in /proc/[0-9]*; do [ $p != /proc/1 ] && { echo x; } 2>/dev/null >>$p/exe && echo WROTE; done; done";
    let caps = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    let caps = json!({"bounding": caps, "permitted": caps, "effective": caps});
    let ground = Ground::shell(line).set("/process/capabilities", caps);
    let mut run = ground.command(&["run", "c"]).stdout(Stdio::piped()).spawn().unwrap();
    crate::lifecycle::wait_for(&ground, "running");
    for _ in 0..20 {
        ground.oci(&["exec", "c", "/proc/self/exe"]);
        ground.oci(&["exec", "c", "/bin/true"]);
    }
    ground.oci(&["kill", "c", "KILL"]);
    run.wait().unwrap();
    assert!(fs::read(program()).unwrap() == before, "the runtime's program was written to");
}

/// Whoever keeps hold of a runtime's program finds it on a read-only mount when nobody executes it any more.
#[test]
fn the_runtimes_program_is_read_only_for_good() {
    let ground = Ground::shell("sleep 100");
    let own = ground.bundle.path().join("own-oci");
    fs::copy(program(), &own).unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&own);
        command
            .arg("--root")
            .arg(ground.bundle.path().join("state"))
            .args(args)
            .current_dir(ground.bundle.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap()
    };
    assert!(run(&["create", "own"]).success());
    let state = fs::read_to_string(ground.bundle.path().join("state/own/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let held = fs::OpenOptions::new().read(true).open(format!("/proc/{}/exe", state["pid"])).unwrap();
    // Its mount belongs to no namespace, so not even root on the host can change it or have a copy of it.
    let writable = Change { clear: MOUNT_ATTR_RDONLY, ..Change::default() };
    assert_eq!(mount::change(held.as_fd(), &writable), Err(Errno::EINVAL));
    assert_eq!(mount::open_tree(held.as_fd(), c"").err(), Some(Errno::EINVAL));
    assert!(run(&["delete", "-f", "own"]).success());
    assert_eq!(mount::change(held.as_fd(), &writable), Err(Errno::EINVAL));
    let held = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held));
    let code = fs::OpenOptions::new().write(true).open(&held).err().and_then(|error| error.raw_os_error());
    assert_eq!(code, Some(Errno::EROFS as i32));
    assert!(fs::OpenOptions::new().write(true).open(&own).is_ok(), "by its own path it can be written to");
}

/// CVE-2016-9962, CVE-2024-21626: nothing of the host is open in a container, and no working directory leads out.
#[test]
fn no_descriptor_leads_out() {
    let outside = fs::File::open("/").unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&outside);
    nix::fcntl::fcntl(&outside, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let said = Ground::shell("ls -l /proc/self/fd").run();
    let open: Vec<&str> = said.out.lines().filter(|line| line.contains("->")).collect();
    // Three of its own; the folder it lists is closed again when its name is read.
    assert_eq!(open.len(), 3, "{said:?}");
    for number in [number, 3, 7, 8, 9] {
        let path = format!("/proc/self/fd/{number}");
        // A descriptor of our own may lead to the container's root or into its own /proc, and to nothing else.
        let inside = |out: &str| out.contains("busybox\n") || out.starts_with("/proc/");
        let said = Ground::shell("readlink /proc/self/cwd; ls").set("/process/cwd", json!(path)).run();
        assert!(said.code != 0 || inside(&said.out), "{path}: {said:?}");
        let ground = Ground::shell("sleep 100");
        ground.detached();
        let said = ground.oci(&["exec", "--cwd", &path, "c", "/bin/ls"]);
        assert!(said.code != 0 || inside(&said.out), "{path}: {said:?}");
    }
    drop(outside);
}

/// CVE-2016-9962: whoever is in a namespace that a container joins cannot look into it before it executes its program.
#[test]
fn a_container_that_joins_is_closed_until_exec() {
    let first = Ground::shell("sleep 100");
    first.detached();
    let namespaces = ["mount", "cgroup", "ipc", "uts", "network"].map(|kind| json!({"type": kind}));
    let mut namespaces = namespaces.to_vec();
    namespaces.push(json!({"type": "pid", "path": format!("/proc/{}/ns/pid", first.pid())}));
    let second = Ground::shell("sleep 100").set("/linux/namespaces", json!(namespaces));
    let said = second.behind(&["create", "c"]);
    assert_eq!(said.code, 0, "{said:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", second.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
    let inside = line.split_whitespace().next_back().unwrap();
    let look = ["exec", "c", "/bin/cat", &format!("/proc/{inside}/maps")];
    let said = first.oci(&look);
    assert_ne!(said.code, 0, "{said:?}");
    second.ok(&["start", "c"]);
    let shown = first.ok(&["exec", "c", "/bin/readlink", &format!("/proc/{inside}/cwd")]);
    assert_eq!(shown, "/\n");
}

/// CVE-2019-16884: an image whose `/proc` is a link, or a volume over it, makes no false one.
#[test]
fn proc_is_real() {
    let ground = Ground::shell("true");
    fs::remove_dir(ground.bundle.root().join("proc")).unwrap();
    symlink("/tmp", ground.bundle.root().join("proc")).unwrap();
    let said = ground.set("/root/readonly", json!(false)).run();
    assert!(said.err.contains("must be mounted on ordinary directory"), "{said:?}");
    for target in ["/proc", "/proc/self/attr", "/proc/sys"] {
        let ground = Ground::shell("true");
        let source = ground.bundle.path().join("false");
        fs::create_dir(&source).unwrap();
        let mount = json!({"destination": target, "type": "bind", "source": source, "options": ["rbind"]});
        let said = ground.set("/mounts/-", mount).run();
        assert!(said.err.contains("cannot be mounted because it is inside /proc"), "{target}: {said:?}");
    }
}

/// CVE-2021-30465: whatever links an image has, and however they change, mounts stay inside.
#[test]
fn mount_targets_stay_inside() {
    let outside = tempfile::tempdir().unwrap();
    let ground = Ground::shell("true");
    symlink(outside.path(), ground.bundle.root().join("escape")).unwrap();
    symlink("../../../../../../../..", ground.bundle.root().join("up")).unwrap();
    let up = format!("/up{}", outside.path().display());
    let mounts = [
        json!({"destination": "/escape/a", "type": "tmpfs", "source": "t"}),
        json!({"destination": format!("{up}/b"), "type": "tmpfs", "source": "t"}),
    ];
    let ground = mounts
        .into_iter()
        .fold(ground.set("/root/readonly", json!(false)), |ground, mount| ground.set("/mounts/-", mount));
    let said = ground.run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "a mount target was made on the host");
}

/// CVE-2025-31133: what masks is the host's own `/dev/null`, whatever the image has there.
#[test]
fn masks_are_not_the_images() {
    let ground =
        Ground::shell("cat /secret; stat -c %F /secret").set("/linux/maskedPaths", json!(["/secret"]));
    fs::write(ground.bundle.root().join("secret"), "secret").unwrap();
    symlink("/busybox", ground.bundle.root().join("dev/null")).unwrap();
    let mounts: Vec<_> = ground.spec["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"))
        .cloned()
        .collect();
    let said = ground.set("/mounts", json!(mounts)).set("/linux/readonlyPaths", json!([])).run();
    assert!(!said.out.contains("secret") && said.out.contains("character special file"), "{said:?}");
}

/// CVE-2025-52565: a console that is a link in the image leads the terminal nowhere else.
#[test]
fn the_console_stays_in_dev() {
    let ground =
        Ground::shell("echo hello").set("/process/terminal", json!(true)).set("/root/readonly", json!(false));
    let mounts: Vec<_> = ground.spec["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mount| mount["destination"] != "/dev")
        .cloned()
        .collect();
    symlink("/proc/sysrq-trigger", ground.bundle.root().join("dev/console")).unwrap();
    let said = ground.set("/mounts", json!(mounts)).run();
    // Bound over the link itself, or refused.
    assert!(said.out.contains("hello") || said.err.contains("bind `/dev/console`"), "{said:?}");
}

/// CVE-2025-52881: settings are written to the real `/proc` or not at all.
#[test]
fn settings_do_not_go_astray() {
    let ground = Ground::shell("true").set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}));
    let mounts: Vec<_> = ground.spec["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mount| mount["destination"] != "/proc")
        .cloned()
        .collect();
    let target = ground.bundle.root().join("proc/sys/net/ipv4");
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("ip_forward"), "untouched").unwrap();
    let ground = ground
        .set("/mounts", json!(mounts))
        .set("/linux/maskedPaths", json!([]))
        .set("/linux/readonlyPaths", json!([]));
    let said = ground.run();
    assert_ne!(said.code, 0, "{said:?}");
    assert_eq!(fs::read_to_string(target.join("ip_forward")).unwrap(), "untouched");
}

/// The host's `/dev/null` and files keep their owner, whoever the program is.
#[test]
fn nothing_of_the_host_changes_its_owner() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let owner =
        |path: &Path| fs::metadata(path).map(|status| (status.uid(), status.gid(), status.mode())).unwrap();
    let before = (owner(Path::new("/dev/null")), owner(file.path()));
    let ground = Ground::shell("true").set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let mut command = ground.command(&["run", "c"]);
    command.stdout(file.reopen().unwrap()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    assert_eq!((owner(Path::new("/dev/null")), owner(file.path())), before);
    // A pipe becomes the program's own: it has to be able to open /dev/stdout.
    let said: Said = ground.oci(&["run", "c"]);
    assert_eq!(said.code, 0, "{said:?}");
    let ground =
        Ground::shell("echo again >/dev/stdout").set("/process/user", json!({"uid": 1000, "gid": 1000}));
    assert_eq!(ground.run().out, "again\n");
}
