//! Rootless: as an ordinary user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::ground::{Ground, Said, program};

const UID: u32 = 54_321;

/// A command of the runtime by an ordinary user, who has no rights over cgroups.
fn as_user(ground: &Ground, state: &std::path::Path, args: &[&str]) -> Said {
    let mut command = Command::new(program());
    command.arg("--root").arg(state).args(args).current_dir(ground.bundle.path());
    command.uid(UID).gid(UID).stdin(Stdio::null());
    Said::from(command.output().unwrap())
}

/// A container that an ordinary user can run alone, and a state folder of theirs.
pub(crate) fn rootless(uid: u32, line: &str) -> (Ground, tempfile::TempDir) {
    let own = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
    let sys = json!({"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
    let ground = Ground::shell(line);
    let mut mounts = ground.spec["mounts"].as_array().unwrap().clone();
    mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/sys"));
    for mount in &mut mounts {
        // Group 5 is not mapped.
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
    mounts.push(sys);
    let namespaces = ["pid", "ipc", "uts", "mount", "user"].map(|kind| json!({"type": kind}));
    let ground = ground
        .set("/mounts", json!(mounts))
        .set("/linux/namespaces", json!(namespaces))
        .set("/linux/uidMappings", own.clone())
        .set("/linux/gidMappings", own)
        .set("/linux/resources", json!(null))
        .set("/linux/cgroupsPath", json!(null));
    fs::set_permissions(ground.bundle.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(ground.bundle.root(), Some(uid), Some(uid)).unwrap();
    let state = tempfile::tempdir().unwrap();
    chown(state.path(), Some(uid), Some(uid)).unwrap();
    (ground, state)
}

#[test]
fn an_ordinary_user_runs_a_container_of_their_own_id() {
    let (ground, state) = rootless(UID, "id -u; cat /proc/self/setgroups; sleep 100");
    let file = ground.bundle.path().join("said");
    let mut run = Command::new(program());
    run.arg("--root").arg(state.path()).args(["run", "-d", "c"]).current_dir(ground.bundle.path());
    run.uid(UID).gid(UID).stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&file).unwrap());
    let status = run.status().unwrap();
    assert!(status.success(), "{}", fs::read_to_string(&file).unwrap());
    let said = as_user(&ground, state.path(), &["delete", "-f", "c"]);
    assert_eq!(said.code, 0, "{said:?}");
    let refused = as_user(
        &ground
            .set("/linux/namespaces", json!([{"type": "mount"}]))
            .set("/hostname", json!(null))
            .set("/linux/uidMappings", json!(null))
            .set("/linux/gidMappings", json!(null)),
        state.path(),
        &["run", "c"],
    );
    assert!(refused.err.contains("rootless container requires user namespaces"), "{refused:?}");
}

/// By newuidmap and newgidmap of Debian's package uidmap, with an /etc that gives the user `daemon` a range.
#[test]
fn an_ordinary_user_has_ranges_of_ids() {
    const DAEMON: u32 = 1;
    let caps = ["CAP_CHOWN"];
    assert!(std::path::Path::new("/usr/bin/newuidmap").exists(), "no newuidmap: install the package uidmap");
    let ids = json!([
        {"containerID": 0, "hostID": DAEMON, "size": 1},
        {"containerID": 1, "hostID": 500_000, "size": 1000},
    ]);
    let (ground, state) =
        rootless(DAEMON, "cat /proc/self/uid_map; touch /tmp/x; chown 7:8 /tmp/x; stat -c %u:%g /tmp/x");
    let ground = ground
        .set("/linux/uidMappings", ids.clone())
        .set("/linux/gidMappings", ids)
        .set("/process/capabilities", json!({"bounding": caps, "permitted": caps, "effective": caps}))
        .set("/mounts/-", json!({"destination": "/tmp", "type": "tmpfs", "source": "t"}));
    let etc = tempfile::tempdir().unwrap();
    fs::set_permissions(etc.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["subuid", "subgid"] {
        fs::write(etc.path().join(name), "daemon:500000:1000\n").unwrap();
    }
    let line = format!(
        "mount -t overlay -o lowerdir={}:/etc etc /etc && \
         exec setpriv --reuid {DAEMON} --regid {DAEMON} --clear-groups {} --root {} run c",
        etc.path().display(),
        program().display(),
        state.path().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &line]).current_dir(ground.bundle.path()).stdin(Stdio::null());
    let said = Said::from(command.output().unwrap());
    let words: Vec<&str> = said.out.split_whitespace().collect();
    assert_eq!(words, ["0", "1", "1", "1", "500000", "1000", "7:8"], "{said:?}");
}
