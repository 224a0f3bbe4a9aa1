//! Pulling an image of half a gigabyte and unpacking it, against `skopeo copy` and `umoci unpack`; and starting from it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::registry::DockerRegistry;

use crate::statistics::{ms, percentile, ratio};

const ROUNDS: usize = 5;
const LAYERS: usize = 4;
/// Bytes of files in each layer.
const LAYER_BYTES: u64 = 125 << 20;
/// Between two looks at the memory of a program.
const LOOK: Duration = Duration::from_millis(2);

/// Measures pulls in turns.
pub(crate) fn measure() -> Result<Vec<String>> {
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
#[expect(clippy::disallowed_methods, reason = "a bench may spawn")]
fn publish(name: &str) -> Result<()> {
    let node = TestNode::start()?;
    let context = tempfile::tempdir()?;
    let mut dockerfile = "FROM scratch\n".to_owned();
    for (number, files) in shares()?.iter().enumerate() {
        let tar = context.path().join(format!("{number}.tar"));
        let mut child = quiet(
            Command::new("tar").args(["--owner=0", "--group=0", "-C", "/", "-T", "-", "-cf"]).arg(&tar),
        )
        .stdin(Stdio::piped())
        .spawn()?;
        child.stdin.take().context("standard input")?.write_all(files.join("\n").as_bytes())?;
        ensure!(child.wait()?.success(), "tar failed");
        dockerfile.push_str(&format!("ADD {number}.tar /\n"));
    }
    std::fs::write(context.path().join("Dockerfile"), dockerfile)?;
    let folder = context.path().to_string_lossy();
    done(&mut node.command(&["image", "build", "-q", "-t", name, &folder])?)?;
    done(&mut node.command(&["image", "push", name])?)
}

/// Files below /usr, as many for each layer as it is to have bytes.
fn shares() -> Result<Vec<Vec<String>>> {
    let output = Command::new("find")
        .args(["/usr", "-xdev", "-type", "f", "-size", "-8M", "-printf", "%s %P\n"])
        .output()?;
    let mut shares: Vec<Vec<String>> = vec![Vec::new(); LAYERS];
    let (mut layer, mut bytes) = (0, 0);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((size, path)) = line.split_once(' ') else { continue };
        let Some(share) = shares.get_mut(layer) else { break };
        share.push(format!("usr/{path}"));
        bytes += size.parse::<u64>()?;
        if bytes >= LAYER_BYTES {
            (layer, bytes) = (layer + 1, 0);
        }
    }
    ensure!(layer == LAYERS, "this host has too few files below /usr");
    Ok(shares)
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

fn done(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
