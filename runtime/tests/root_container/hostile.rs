//! Images and machines that try to lead the runtime out of the container, or to hold it up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sandlot_runtime::supervisor::protocol::{Login, Winsize};

use crate::Test;
use crate::fixture::{Draft, Machine};

pub(crate) const TESTS: &[Test] = &[
    ("links_in_an_image_do_not_lead_out", links_in_an_image_do_not_lead_out),
    ("linked_folders_stay_inside", linked_folders_stay_inside),
    ("a_false_ptmx_is_refused", a_false_ptmx_is_refused),
    ("account_files_cannot_hold_a_join_up", account_files_cannot_hold_a_join_up),
    ("odd_account_files_are_survived", odd_account_files_are_survived),
    ("the_reaper_cannot_be_overwritten", the_reaper_cannot_be_overwritten),
];

fn links_in_an_image_do_not_lead_out() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("escaped");
    let draft = Draft::new().describe(|machine| machine.login = Login::Learner).image(|tree| {
        let up = Path::new("../../../../../../../..").join(target.strip_prefix("/").unwrap());
        for name in ["etc/hostname", "etc/hosts"] {
            symlink(&target, tree.join(name)).unwrap();
        }
        symlink(&up, tree.join("etc/resolv.conf")).unwrap();
        symlink(outside.path(), tree.join("home")).unwrap();
    });
    let machine = draft.start();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "a link led to the host");
    if let Ok(machine) = machine {
        assert_eq!(machine.sh("cat /etc/hostname").stdout, "m1\n");
    }
}

fn linked_folders_stay_inside() {
    let draft = Draft::new().image(|tree| {
        fs::remove_dir(tree.join("proc")).unwrap();
        symlink("/../../../../../../../../proc", tree.join("proc")).unwrap();
    });
    let error = draft.start().err().unwrap();
    assert!(error.contains("filesystem \"proc\" must be mounted on ordinary directory"), "{error}");
    let machine = Draft::new().image(|tree| {
        fs::rename(tree.join("dev"), tree.join("devices")).unwrap();
        symlink("/devices", tree.join("dev")).unwrap();
    });
    assert_eq!(machine.start().unwrap().sh("echo x >/devices/null").code, 0);
}

fn a_false_ptmx_is_refused() {
    let size = Winsize { rows: 24, cols: 80 };
    for line in [
        "rm /dev/ptmx && mkfifo /dev/ptmx",
        "rm /dev/ptmx && ln -s /dev/tty /dev/ptmx",
        "rm /dev/ptmx && ln -s /dev/null /dev/ptmx",
        "rm /dev/ptmx && touch /dev/ptmx",
    ] {
        let machine = Machine::new();
        assert_eq!(machine.sh(line).code, 0);
        let error = machine.join(&Default::default(), Some(size)).unwrap_err();
        assert!(
            error.starts_with("error: open the terminal: open `/dev/ptmx`: no such device"),
            "{line}: {error}"
        );
        assert_eq!(machine.sh("true").code, 0, "the machine still takes programs");
    }
}

fn account_files_cannot_hold_a_join_up() {
    for (line, cause) in [
        ("rm /etc/passwd; mkfifo /etc/passwd", "invalid argument"),
        ("rm /etc/passwd; ln -s /dev/zero /etc/passwd", "invalid argument"),
        ("rm /etc/passwd; mkdir /etc/passwd", "invalid argument"),
        ("dd if=/dev/zero of=/etc/passwd bs=1M count=2 2>/dev/null", "file too large"),
    ] {
        let machine = Machine::new();
        assert_eq!(machine.sh(line).code, 0);
        let error = machine.exec(&true_command()).unwrap_err();
        assert_eq!(error, format!("error: find the user: read `/etc/passwd`: {cause}"), "{line}");
    }
}

fn odd_account_files_are_survived() {
    let machine = Machine::new();
    machine.sh("printf '::::\\nroot\\n\\377\\376:x:0\\nx:x:99999999999:0::/:/bin/sh\\nroot:x:0:0:root:relative:sh\\n' >/etc/passwd");
    assert_eq!(machine.run_as(&["pwd"], Some("root")).stdout, "/\n");
    machine.sh("rm /etc/passwd /etc/group");
    assert_eq!(machine.run_as(&["sh", "-c", "echo $HOME"], Some("0")).stdout, "/root\n");
}

fn the_reaper_cannot_be_overwritten() {
    let machine = Machine::new();
    assert_ne!(machine.sh("echo x >/proc/1/exe").code, 0);
    assert_ne!(machine.sh("cp /proc/1/exe /tmp/reaper && echo x >>/proc/1/exe").code, 0);
    assert_eq!(machine.sh("kill -KILL 1; kill -STOP 1; head -n1 /proc/1/comm").stdout, "sandlot-reaper\n");
}

fn true_command() -> sandlot_runtime::supervisor::protocol::Command {
    sandlot_runtime::supervisor::protocol::Command { argv: vec!["true".to_owned()], ..Default::default() }
}
