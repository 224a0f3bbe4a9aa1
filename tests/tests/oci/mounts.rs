//! Mounts and their options.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::ground::Ground;

fn bind(ground: &Ground, target: &str, options: &[&str]) -> serde_json::Value {
    let source = ground.bundle.path().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("file"), "text").unwrap();
    json!({"destination": target, "type": "bind", "source": source, "options": options})
}

#[test]
fn binds_have_their_attributes() {
    let ground = Ground::shell("grep ' /mnt' /proc/mounts; cat /mnt/file; touch /mnt/x");
    let mount = bind(&ground, "/mnt", &["rbind", "ro", "nosuid", "noexec"]);
    let ground = ground.set("/mounts/-", mount).set("/root/readonly", json!(false));
    let said = ground.run();
    assert!(said.out.contains("ro,nosuid,noexec"), "{said:?}");
    assert!(said.out.ends_with("text") && said.err.contains("Read-only file system"), "{said:?}");
}

#[test]
fn recursive_attributes_reach_every_mount_below() {
    let ground = Ground::shell("grep ' /mnt' /proc/mounts; touch /mnt/sub/x");
    let mount = bind(&ground, "/mnt", &["rbind", "rro", "rnosuid"]);
    let source = ground.bundle.path().join("source/sub");
    nix::mount::mount(Some("t"), &source, Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
    let ground = ground.set("/mounts/-", mount).set("/root/readonly", json!(false));
    let said = ground.run();
    nix::mount::umount(&source).unwrap();
    assert_eq!(said.out.matches("ro,nosuid").count(), 2, "{said:?}");
    assert!(said.err.contains("Read-only file system"), "{said:?}");
}

#[test]
fn a_tmpfs_can_begin_with_what_it_hides() {
    let ground =
        Ground::shell("stat -c '%a %u' /data /data/file; cat /data/file /data/sub/deep; readlink /data/link");
    let data = ground.bundle.root().join("data");
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::write(data.join("file"), "one").unwrap();
    fs::write(data.join("sub/deep"), "two").unwrap();
    fs::set_permissions(data.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(data.join("file"), Some(1000), None).unwrap();
    std::os::unix::fs::symlink("file", data.join("link")).unwrap();
    let mount = json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]});
    let said = ground.set("/mounts/-", mount).run();
    assert_eq!(said.out, "755 0\n640 1000\nonetwofile\n", "{said:?}");
}

#[test]
fn owners_can_be_mapped() {
    let ground = Ground::shell("stat -c %u:%g /mnt/file");
    let mut mount = bind(&ground, "/mnt", &["rbind"]);
    let maps = json!([{"containerID": 0, "hostID": 5000, "size": 1000}]);
    mount["uidMappings"] = maps.clone();
    mount["gidMappings"] = maps;
    let said = ground.set("/mounts/-", mount).set("/root/readonly", json!(false)).run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out, "5000:5000\n", "files of 0 appear as 5000");
}

#[test]
fn masked_and_readonly_paths_are_so() {
    let ground = Ground::shell(
        "cat /secret; ls /folder | grep -c .; echo 1 >/proc/sys/kernel/hostname; touch /fixed/x",
    )
    .set("/root/readonly", json!(false))
    .set("/linux/maskedPaths", json!(["/secret", "/folder", "/missing"]))
    .set("/linux/readonlyPaths", json!(["/fixed", "/proc/sys"]));
    fs::write(ground.bundle.root().join("secret"), "secret").unwrap();
    fs::create_dir_all(ground.bundle.root().join("folder/sub")).unwrap();
    fs::create_dir_all(ground.bundle.root().join("fixed")).unwrap();
    let said = ground.run();
    assert_eq!(said.out, "0\n", "{said:?}");
    assert_eq!(said.err.matches("Read-only file system").count(), 2, "{said:?}");
}
