//! Images whose links point out of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Result, ensure};
use sandlot_tests::instance::{Changes, Image, Instance};

use crate::{Field, Test};

pub(crate) const TESTS: &[Test] = &[
    ("links_in_an_image_do_not_lead_out", links_in_an_image_do_not_lead_out),
    ("links_in_place_of_mount_points_do_not_lead_out", links_in_place_of_mount_points_do_not_lead_out),
];

const KEPT: &str = "of the host";

/// Files that the runtime writes, in place of which the image has links to a file of the host, by each kind of path.
fn links_in_an_image_do_not_lead_out(_: &Field) -> Result<()> {
    let outside = tempfile::tempdir()?;
    let target = outside.path().join("kept");
    let targets = [
        target.clone(),
        Path::new("/proc/self/root").join(target.strip_prefix("/")?),
        Path::new("/proc/1/root").join(target.strip_prefix("/")?),
        Path::new("../../../../../../../../../../..").join(target.strip_prefix("/")?),
    ];
    for link in targets {
        fs::write(&target, KEPT)?;
        for name in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
            start_with(|tree| replace_by_link(&tree.join(name), &link))?;
            ensure!(fs::read_to_string(&target)? == KEPT, "{name} -> {} was followed out", link.display());
        }
        let folder = link.parent().unwrap_or(&link).to_path_buf();
        start_with(|tree| replace_by_link(&tree.join("etc"), &folder))?;
        let inside: Vec<_> = fs::read_dir(outside.path())?.flatten().map(|entry| entry.file_name()).collect();
        ensure!(inside == ["kept"], "etc -> {} was followed out: {inside:?}", folder.display());
        // The same link followed as a careless program follows it.
        if link.is_absolute() && !link.starts_with("/proc") {
            let careless = Image::new(|tree| replace_by_link(&tree.join("etc/hosts"), &link))?;
            fs::write(careless.tree().join("etc/hosts"), "127.0.0.1 localhost")?;
            ensure!(fs::read_to_string(&target)? != KEPT, "the link leads nowhere, so this proves nothing");
        }
    }
    Ok(())
}

/// CVE-2019-16884, CVE-2021-30465: what is to be mounted ends up below the root, or the start is refused.
fn links_in_place_of_mount_points_do_not_lead_out(_: &Field) -> Result<()> {
    let outside = tempfile::tempdir()?;
    let foreign = outside.path().display().to_string();
    let targets = [
        "/etc",
        "/tmp",
        "/proc",
        "/proc/self/root",
        "/proc/self/cwd",
        "..",
        "/",
        foreign.as_str(),
        "/nowhere",
    ];
    for name in ["proc", "sys", "dev", "tmp"] {
        for target in targets {
            start_with(|tree| replace_by_link(&tree.join(name), Path::new(target)))?;
            let mounts = fs::read_to_string("/proc/self/mountinfo")?;
            ensure!(!mounts.contains(&foreign), "{name} -> {target}: a mount ended up outside");
            ensure!(
                fs::read_dir(outside.path())?.next().is_none(),
                "{name} -> {target}: a file ended up outside"
            );
        }
    }
    Ok(())
}

fn replace_by_link(place: &Path, target: &Path) -> Result<()> {
    match fs::symlink_metadata(place) {
        Ok(status) if status.is_dir() => fs::remove_dir_all(place)?,
        Ok(_) => fs::remove_file(place)?,
        Err(_) => {}
    }
    Ok(symlink(target, place)?)
}

/// Starts an instance of such an image, looks whether it is still contained, and ends it. A refusal is as good, when it
/// names its step.
fn start_with(change: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let image = Image::new(change)?;
    match Instance::start(&image, Changes::default()) {
        Err(error) => {
            ensure!(error.to_string().contains(": "), "no step in: {error}");
            Ok(())
        }
        Ok(instance) => {
            let attack = [
                "/bin/sandlot-probe",
                "write",
                "/proc/sys/kernel/core_pattern",
                "/proc/sys/net/ipv4/ip_forward",
            ];
            let output = instance.run(&attack);
            instance.end()?;
            match output {
                Ok(output) => ensure!(output.code == 1, "{output:?}"),
                Err(error) => ensure!(error.to_string().contains(": "), "no step in: {error}"),
            }
            Ok(())
        }
    }
}
