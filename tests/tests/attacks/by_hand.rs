//! Containers as a script makes them, with what it leaves out.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sandlot_tests::instance::Output;

/// The host's own mounts stay in sight below the new root, which is entered by chroot.
const SCRIPT: &str = r#"
root=$1; shift
mount --bind "$root" "$root"; cd "$root"
mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs tmp
exec chroot . /bin/sandlot-probe "$@"
"#;

/// The same, with a folder of the host left open, which becomes the working directory inside.
const CARELESS_SCRIPT: &str = r#"
root=$1; shift
mount --bind "$root" "$root"; cd "$root"; mount -t proc proc proc
exec 7</etc
exec chroot . /bin/sh -c 'cd /proc/self/fd/7; exec 7<&-; exec /bin/sandlot-probe "$@"' container "$@"
"#;

/// Runs the probe in a working directory that was inherited from the host.
pub(crate) fn run_in_inherited_folder(root: &Path, attack: &[String]) -> Result<Output> {
    run_script(CARELESS_SCRIPT, root, &[], attack)
}

/// Runs the probe in a new mount namespace and those that `options` of `unshare` ask for.
pub(crate) fn run(root: &Path, options: &[&str], attack: &[String]) -> Result<Output> {
    run_script(SCRIPT, root, options, attack)
}

fn run_script(script: &str, root: &Path, options: &[&str], attack: &[String]) -> Result<Output> {
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--fork", "--kill-child"])
        .args(options)
        .args(["sh", "-euc", script, "container"])
        .arg(root)
        .args(attack)
        .output()
        .context("run unshare")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output {
        code: output.status.code().unwrap_or(128),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}
