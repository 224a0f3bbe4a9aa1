//! The root file system of an image with many layers, against what umoci unpacks.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::fixture::{Ground, run, text};

/// An image of several layers: each step changes the tree, and umoci writes the difference.
fn make_layout(ground: &Ground) -> String {
    let layout = ground.path("layout");
    let image = format!("{}:app", text(&layout));
    run("umoci", &["init", "--layout", text(&layout)]);
    run("umoci", &["new", "--image", &image]);
    for (number, step) in STEPS.iter().enumerate() {
        let bundle = ground.path(&format!("bundle{number}"));
        run("umoci", &["unpack", "--image", &image, text(&bundle)]);
        step(&bundle.join("rootfs"));
        run("umoci", &["repack", "--image", &image, text(&bundle)]);
    }
    image
}

const STEPS: [fn(&Path); 4] = [
    |root| {
        fs::create_dir_all(root.join("a/deep/folder")).unwrap();
        fs::write(root.join("a/file"), "one").unwrap();
        fs::write(root.join("a/deep/folder/file"), "two").unwrap();
        fs::hard_link(root.join("a/file"), root.join("a/link")).unwrap();
        fs::hard_link(root.join("a/file"), root.join("third")).unwrap();
        symlink("../etc", root.join("a/symlink")).unwrap();
        fs::write(root.join("gone"), "soon").unwrap();
        fs::create_dir(root.join("becomes-file")).unwrap();
        fs::write(root.join("becomes-file/inside"), "x").unwrap();
        fs::write(root.join(format!("{}.txt", "long-".repeat(40))), "long").unwrap();
    },
    |root| {
        fs::remove_file(root.join("gone")).unwrap();
        // The file that others are links to: they stay what they were.
        fs::remove_file(root.join("a/file")).unwrap();
        fs::write(root.join("a/file"), "changed").unwrap();
        fs::remove_dir_all(root.join("becomes-file")).unwrap();
        fs::write(root.join("becomes-file"), "a file").unwrap();
        fs::remove_dir_all(root.join("a/deep")).unwrap();
        fs::create_dir(root.join("a/deep")).unwrap();
        fs::write(root.join("a/deep/new"), "new").unwrap();
    },
    |root| {
        fs::set_permissions(root.join("a/deep/new"), fs::Permissions::from_mode(0o4711)).unwrap();
        std::os::unix::fs::chown(root.join("a/deep/new"), Some(1000), Some(50)).unwrap();
        fs::remove_file(root.join("becomes-file")).unwrap();
        fs::create_dir(root.join("becomes-file")).unwrap();
        fs::write(root.join("gone"), "back").unwrap();
    },
    |root| fs::write(root.join("last"), vec![7; 100_000]).unwrap(),
];

/// Everything that matters of a tree, one line a path.
fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let content = match found.file_type() {
                kind if kind.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
                kind if kind.is_dir() => String::new(),
                _ => format!("{:?} {}", fs::read(&path).unwrap().first(), found.len()),
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let links = if found.is_dir() { 0 } else { found.nlink() };
            lines.push(format!(
                "{name} {:o} {}:{} {links} {content}",
                found.mode(),
                found.uid(),
                found.gid()
            ));
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    lines.sort();
    lines
}

#[test]
fn an_exported_tree_is_what_umoci_unpacks() {
    let ground = Ground::new();
    let image = make_layout(&ground);
    ground.image(&["load", "-i", text(&ground.path("layout"))]);
    let (tar, tree, bundle) = (ground.path("tree.tar"), ground.path("tree"), ground.path("theirs"));
    ground.image(&["export", "-o", text(&tar), "app"]);
    fs::create_dir(&tree).unwrap();
    run("tar", &["-xpf", text(&tar), "-C", text(&tree), "--same-owner"]);
    run("umoci", &["unpack", "--image", &image, text(&bundle)]);
    assert_eq!(listing(&tree), listing(&bundle.join("rootfs")));
}
