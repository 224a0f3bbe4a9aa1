//! Limits of an ordinary user's containers, in cgroups that systemd has delegated: that is in the virtual machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::ground::{Ground, Said, program};
use crate::users::rootless;

/// The user `daemon`, since systemd starts services of users with a name only.
const UID: u32 = 1;
const LIMITS: &str = r#"{"memory": {"limit": 67108864}, "pids": {"limit": 33}}"#;

/// A file of shell for a service of the user: `oci` is the runtime, and what it says before it is through is not lost.
fn script(folder: &Path, lines: &str) -> PathBuf {
    let (program, state) = (program(), folder.display());
    let text = format!(
        "set -e\n\
         oci() {{ {} --root {state} \"$@\" </dev/null >{state}/said 2>&1 || {{ cat {state}/said >&2; exit 1; }}; }}\n\
         {lines}",
        program.display()
    );
    let file = folder.join("script");
    std::fs::write(&file, text).unwrap();
    file
}

fn service(ground: &Ground, unit: &str, script: &Path) -> Said {
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--wait", "--pipe", "--collect", "--property=Delegate=yes"]);
    command.arg(format!("--unit={unit}")).arg(format!("--uid={UID}"));
    command.arg("--working-directory").arg(ground.bundle.path()).arg("/bin/sh").arg(script);
    Said::from(command.output().unwrap())
}

#[test]
#[ignore = "needs systemd as pid 1; run in the virtual machine"]
fn limits_hold_in_a_delegated_group() {
    let unit = format!("sandlot-test-{}", std::process::id());
    let own = format!("/system.slice/{unit}.service");
    let (ground, state) = rootless(UID, "sleep 100");
    let ground = ground
        .set("/linux/cgroupsPath", json!(format!("{own}/machine")))
        .set("/linux/resources", serde_json::from_str(LIMITS).unwrap());
    let lines = format!(
        "cd /sys/fs/cgroup{own}; mkdir engine; echo $$ >engine/cgroup.procs; cd -\n\
         oci run -d c\n\
         cat /sys/fs/cgroup{own}/machine/memory.max /sys/fs/cgroup{own}/machine/pids.max\n\
         oci exec c /bin/true\n\
         oci update --pids-limit 22 c\n\
         cat /sys/fs/cgroup{own}/machine/pids.max\n\
         oci delete -f c\n\
         ls /sys/fs/cgroup{own} | grep -c machine || true"
    );
    let said = service(&ground, &unit, &script(state.path(), &lines));
    let words: Vec<&str> = said.out.lines().filter(|line| !line.starts_with('/')).collect();
    assert_eq!((said.code, words), (0, vec!["67108864", "33", "22", "0"]), "{said:?}");
}

#[test]
#[ignore = "needs systemd as pid 1; run in the virtual machine"]
fn limits_hold_in_a_scope_of_the_users_own_systemd() {
    let unit = format!("sandlot-test-user-{}", std::process::id());
    let runtime = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(runtime.path(), Some(UID), Some(UID)).unwrap();
    let variable = format!("XDG_RUNTIME_DIR={}", runtime.path().display());
    let manager = ["--quiet", "--collect", "--property=Delegate=yes"];
    let mut command = Command::new("systemd-run");
    command.args(manager).arg(format!("--unit={unit}")).arg(format!("--uid={UID}"));
    command.args(["--setenv", &variable, "/lib/systemd/systemd", "--user"]);
    assert!(command.status().unwrap().success());
    let socket = runtime.path().join("systemd/private");
    sandlot_tests::wait::until("the user's systemd", sandlot_tests::wait::PATIENCE, || {
        socket.exists().then_some(())
    })
    .unwrap();

    let (ground, state) = rootless(UID, "sleep 100");
    let ground = ground
        .set("/linux/cgroupsPath", json!("user.slice:sandlot:machine"))
        .set("/linux/resources", serde_json::from_str(LIMITS).unwrap());
    let group = format!("/sys/fs/cgroup/system.slice/{unit}.service/user.slice/sandlot-machine.scope");
    let lines = format!(
        "export {variable}\n\
         oci --systemd-cgroup run -d c\n\
         cat {group}/memory.max {group}/pids.max\n\
         oci --systemd-cgroup delete -f c\n\
         [ ! -e {group} ]"
    );
    // Its systemd may only move what is in its own part of the tree.
    let beside = format!("/sys/fs/cgroup/system.slice/{unit}.service/beside");
    std::fs::create_dir(&beside).unwrap();
    std::os::unix::fs::chown(&beside, Some(UID), Some(UID)).unwrap();
    let line = format!(
        "echo $$ >{beside}/cgroup.procs; exec setpriv --reuid {UID} --regid {UID} --clear-groups sh $0"
    );
    let mut inside = Command::new("sh");
    inside.arg("-c").arg(&line).arg(script(state.path(), &lines)).current_dir(ground.bundle.path());
    let said = Said::from(inside.output().unwrap());
    Command::new("systemctl").args(["stop", &unit]).status().unwrap();
    assert_eq!((said.code, said.out.as_str()), (0, "67108864\n33\n"), "{said:?}");
}
