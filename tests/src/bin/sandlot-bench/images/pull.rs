//! Pulling an image of half a gigabyte and unpacking it, against `skopeo copy` and `umoci unpack`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::registry::DockerRegistry;

use super::{add_files, done, shares};
use crate::statistics::{ms, percentile, ratio};

const ROUNDS: usize = 5;
const LAYERS: usize = 4;
/// Bytes of files in each layer.
const LAYER_BYTES: u64 = 125 << 20;
/// Between two looks at the memory of a program.
const LOOK: Duration = Duration::from_millis(2);

/// Measures pulls in turns.
pub(super) fn measure() -> Result<Vec<String>> {
    let registry = DockerRegistry::plain();
    let name = registry.name("bench:1").to_string();
    publish(&name)?;
    let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (took, memory) = pull(&name)?;
        ours.push(took);
        peak = peak.max(memory);
        theirs.push(copy_and_unpack(&name)?);
    }
    let (mine, other) = (percentile(&ours, 50), percentile(&theirs, 50));
    Ok(vec![
        format!(
            "pull: {LAYERS} layers, {} MiB unpacked  p50 {}",
            LAYERS as u64 * (LAYER_BYTES >> 20),
            ms(mine)
        ),
        format!(
            "pull: skopeo copy + umoci unpack    p50 {}  ours is {} as fast",
            ms(other),
            ratio(other, mine)
        ),
        format!("pull: peak memory of the client     {peak} KiB"),
    ])
}

/// Builds an image of files that this host has, and pushes it.
fn publish(name: &str) -> Result<()> {
    let node = TestNode::start()?;
    let context = tempfile::tempdir()?;
    let mut dockerfile = "FROM scratch\n".to_owned();
    for (number, files) in shares(LAYERS, LAYER_BYTES)?.iter().enumerate() {
        let tar = context.path().join(format!("{number}.tar"));
        add_files(&tar, files)?;
        dockerfile.push_str(&format!("ADD {number}.tar /\n"));
    }
    std::fs::write(context.path().join("Dockerfile"), dockerfile)?;
    let folder = context.path().to_string_lossy();
    done(&mut node.command(&["image", "build", "-q", "-t", name, &folder])?)?;
    done(&mut node.command(&["image", "push", name])?)
}

/// A pull onto a fresh node: how long, and the most memory in KiB.
#[expect(clippy::disallowed_methods, reason = "a bench may spawn")]
fn pull(name: &str) -> Result<(Duration, u64)> {
    let node =
        TestNode::with(Options { arguments: vec!["--make-images=".to_owned()], ..Options::default() })?;
    let mut command = node.command(&["image", "pull", "-q", name])?;
    settle()?;
    let begun = Instant::now();
    let mut child = quiet(&mut command).spawn()?;
    let (status, mut peak) = (PathBuf::from(format!("/proc/{}/status", child.id())), 0);
    while child.try_wait()?.is_none() {
        peak = high_water(&status).unwrap_or(peak).max(peak);
        std::thread::sleep(LOOK);
    }
    let took = begun.elapsed();
    ensure!(child.wait()?.success(), "the pull failed");
    Ok((took, peak))
}

fn high_water(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

fn copy_and_unpack(name: &str) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let layout = format!("{}:1", folder.path().join("layout").display());
    settle()?;
    let begun = Instant::now();
    let (from, to) = (format!("docker://{name}"), format!("oci:{layout}"));
    done(Command::new("skopeo").args([
        "copy",
        "-q",
        "--insecure-policy",
        "--src-tls-verify=false",
        &from,
        &to,
    ]))?;
    done(Command::new("umoci").args(["unpack", "--image", &layout]).arg(folder.path().join("bundle")))?;
    Ok(begun.elapsed())
}

/// What was written before is not written now.
fn settle() -> Result<()> {
    done(&mut Command::new("sync"))
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null())
}
