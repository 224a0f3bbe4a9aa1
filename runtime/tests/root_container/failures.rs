//! A step that fails is named, and nothing is left of what was made before it.

use oci_spec::runtime::MountBuilder;

use crate::Test;
use crate::fixture::{Draft, Machine};

pub(crate) const TESTS: &[Test] = &[
    ("a_failing_mount_is_named", a_failing_mount_is_named),
    ("a_failing_setting_is_named", a_failing_setting_is_named),
    ("a_missing_layer_is_named", a_missing_layer_is_named),
    ("a_threaded_process_may_not_clone", a_threaded_process_may_not_clone),
    ("a_machine_starts_again_over_its_files", a_machine_starts_again_over_its_files),
];

fn a_failing_mount_is_named() {
    let draft = Draft::new().respec(|spec| {
        let mut mounts = spec.mounts().clone().unwrap();
        mounts.push(MountBuilder::default().destination("/etc/passwd").typ("tmpfs").build().unwrap());
        spec.set_mounts(Some(mounts));
    });
    let error = draft.start().err().unwrap();
    assert_eq!(error, "error: mount file systems: mount tmpfs at `/etc/passwd`: not a directory");
}

fn a_failing_setting_is_named() {
    let draft = Draft::new().respec(|spec| {
        let settings = [("net.ipv4.no_such_setting".to_owned(), "1".to_owned())].into_iter().collect();
        spec.linux_mut().as_mut().unwrap().set_sysctl(Some(settings));
    });
    let error = draft.start().err().unwrap();
    assert_eq!(
        error,
        "error: set kernel settings: set `net/ipv4/no_such_setting` to `1`: no such file or directory"
    );
}

fn a_missing_layer_is_named() {
    let draft = Draft::new().describe(|machine| machine.layers.push("b".repeat(64).try_into().unwrap()));
    let error = draft.start().err().unwrap();
    assert_eq!(error, "error: mount the layers: mount overlay over 2 layers: no such file or directory");
}

fn a_threaded_process_may_not_clone() {
    use sandlot_runtime::sys::clone::clone;
    let (end, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let refused = clone(nix::sched::CloneFlags::empty(), None).unwrap_err();
    assert_eq!(refused, nix::errno::Errno::EDEADLK);
    drop(end);
    assert!(thread.join().unwrap().is_err());
}

fn a_machine_starts_again_over_its_files() {
    let machine = Machine::new();
    assert_eq!(machine.sh("echo kept >/root/file; rm /bin/vi").code, 0);
    let machine = machine.restart().unwrap();
    let output = machine.sh("cat /root/file; test -e /bin/vi; echo $?");
    assert_eq!(output.stdout, "kept\n1\n");
}
