//! Images: pulled, started from, and built again.

mod build;
mod pull;
mod start;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

pub(crate) use self::start::measure as measure_starts;

/// What needs no sessions.
pub(crate) fn measure() -> Result<Vec<String>> {
    let mut lines = pull::measure()?;
    lines.extend(build::measure()?);
    Ok(lines)
}

/// Files below /usr of this host, in as many shares of `bytes` each.
fn shares(count: usize, bytes: u64) -> Result<Vec<Vec<String>>> {
    let output = Command::new("find")
        .args(["/usr", "-xdev", "-type", "f", "-size", "-8M", "-printf", "%s %P\n"])
        .output()?;
    let mut shares: Vec<Vec<String>> = vec![Vec::new(); count];
    let (mut number, mut filled) = (0, 0);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((size, path)) = line.split_once(' ') else { continue };
        let Some(share) = shares.get_mut(number) else { break };
        share.push(format!("usr/{path}"));
        filled += size.parse::<u64>()?;
        if filled >= bytes {
            (number, filled) = (number + 1, 0);
        }
    }
    ensure!(number == count, "this host has too few files below /usr");
    Ok(shares)
}

/// Adds files of this host to a tar, which is made if it is missing.
#[expect(clippy::disallowed_methods, reason = "a bench may spawn")]
fn add_files(tar: &Path, files: &[String]) -> Result<()> {
    use std::io::Write;
    let mut child = Command::new("tar")
        .args(["--owner=0", "--group=0", "-C", "/", "-T", "-", "-rf"])
        .arg(tar)
        .stdin(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("standard input")?.write_all(files.join("\n").as_bytes())?;
    ensure!(child.wait()?.success(), "tar failed");
    Ok(())
}

/// Runs a program to its good end.
fn done(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
