//! Ways out by what is left open, entered or executed for a process inside.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command as HostCommand, Stdio};

use anyhow::{Context, Result, ensure};
use sandlot_runtime::supervisor::protocol::Command;
use sandlot_tests::node::binary;

use crate::case::{expect_refusal, probe, words};
use crate::{Field, Test, by_hand};

pub(crate) const TESTS: &[Test] = &[
    ("programs_inherit_nothing", programs_inherit_nothing),
    ("pid_1_inherits_nothing", pid_1_inherits_nothing),
    ("no_working_directory_leads_out", no_working_directory_leads_out),
    ("a_setuid_program_is_nobodys_root_outside", a_setuid_program_is_nobodys_root_outside),
    ("the_reaper_cannot_be_overwritten", the_reaper_cannot_be_overwritten),
    ("the_runtime_cannot_be_made_to_run_itself", the_runtime_cannot_be_made_to_run_itself),
];

/// CVE-2016-9962, CVE-2024-21626: descriptors and working directories of the host.
fn programs_inherit_nothing(field: &Field) -> Result<()> {
    expect_refusal(&field.strong, &words(&["see-descriptors"]))?;
    let leaky = HostCommand::new("sh")
        .args(["-c", "exec \"$1\" see-descriptors 7</etc", "leaky"])
        .arg(binary("sandlot-probe")?)
        .output()?;
    ensure!(leaky.status.success(), "the probe does not see a descriptor that is there: {leaky:?}");
    Ok(())
}

/// As the host sees it: pid 1 holds its three, and none of them is a file of the host.
fn pid_1_inherits_nothing(field: &Field) -> Result<()> {
    let place = format!("/proc/{}", field.strong.pid());
    let mut targets = Vec::new();
    for entry in fs::read_dir(format!("{place}/fd"))? {
        let entry = entry?;
        let number: u32 = entry.file_name().to_string_lossy().parse()?;
        targets.push((number, fs::read_link(entry.path())?.display().to_string()));
    }
    let harmless = |target: &str| {
        target == "/dev/null"
            || ["anon_inode:", "pipe:", "socket:"].iter().any(|kind| target.starts_with(kind))
    };
    let foreign: Vec<_> = targets
        .iter()
        .filter(|(number, target)| !harmless(target) || *number <= 2 && target != "/dev/null")
        .collect();
    ensure!(foreign.is_empty(), "pid 1 holds {foreign:?}");
    let root = fs::metadata(format!("{place}/root"))?;
    let cwd = fs::metadata(format!("{place}/cwd"))?;
    ensure!(
        (root.dev(), root.ino()) == (cwd.dev(), cwd.ino()),
        "the working directory of pid 1 is not its root"
    );
    let environment = fs::read(format!("{place}/environ"))?;
    let environment = String::from_utf8_lossy(&environment).into_owned();
    ensure!(!environment.contains("CARGO"), "pid 1 has the environment of the host: {environment}");
    Ok(())
}

/// Every descriptor of the process that joins, as a working directory, by its own path, a link, or a user's home.
fn no_working_directory_leads_out(field: &Field) -> Result<()> {
    let attack = words(&["/bin/sandlot-probe", "see-descriptors"]);
    for number in 0..32 {
        let path = format!("/proc/self/fd/{number}");
        field.strong.run(&["ln", "-sfn", &path, "/tmp/way-out"])?;
        let home = format!("root:x:0:0:root:{path}:/bin/sh");
        field.strong.run(&["sh", "-c", &format!("echo {home} > /etc/passwd")])?;
        for cwd in [Some(path.clone()), Some("/tmp/way-out".to_owned()), None] {
            let command = Command { argv: attack.clone(), cwd: cwd.clone(), ..Command::default() };
            // A refusal to start is as good.
            let Ok(running) = field.strong.spawn(&command) else { continue };
            let output = running.end()?;
            ensure!(output.code == 1, "working directory {cwd:?} of descriptor {number}: {output:?}");
        }
    }
    field.strong.run(&["sh", "-c", "echo root:x:0:0:root:/root:/bin/sh > /etc/passwd"])?;
    let leaky = by_hand::run_in_inherited_folder(&field.image.tree(), &words(&["see-descriptors"]))?;
    ensure!(
        leaky.code == 0 && leaky.stdout.contains("working directory"),
        "not even where it should: {leaky:?}"
    );
    Ok(())
}

/// Root inside owns what it makes as a user of its own range, and who runs that outside becomes just that user.
fn a_setuid_program_is_nobodys_root_outside(field: &Field) -> Result<()> {
    let made = probe(&field.strong, &words(&["make-setuid", "/tmp/setuid"]))?;
    ensure!(made.code == 0, "{made:?}");
    let outside = format!("/proc/{}/root/tmp/setuid", field.strong.pid());
    let status = fs::metadata(&outside)?;
    ensure!(status.uid() == field.strong.first_id(), "it belongs to host user {}", status.uid());
    ensure!(status.mode() & 0o4000 != 0, "it is not setuid, so this proves nothing");
    ensure!(!become_root_by(&outside)?, "it makes root of a user of the host");
    let weak = by_hand::run(&field.image.tree(), &["--pid"], &words(&["make-setuid", "/root/setuid"]))?;
    let path = field.image.tree().join("root/setuid");
    ensure!(
        weak.code == 0 && become_root_by(&path.display().to_string())?,
        "not even where it should: {weak:?}"
    );
    fs::remove_file(path)?;
    Ok(())
}

fn become_root_by(program: &str) -> Result<bool> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let output = HostCommand::new("setpriv").args(nobody).args([program, "be-root"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).starts_with("succeeded"))
}

/// CVE-2019-5736: the file that pid 1 is executed from, which every instance shares.
#[expect(clippy::disallowed_methods, reason = "a test may spawn")]
fn the_reaper_cannot_be_overwritten(field: &Field) -> Result<()> {
    expect_refusal(&field.strong, &words(&["overwrite-executable", "1"]))?;
    // The same on the host, with a copy of the same program as the victim.
    let folder = tempfile::tempdir()?;
    let victim = folder.path().join("victim");
    fs::copy(binary("sandlot-probe")?, &victim)?;
    let mut process =
        HostCommand::new(&victim).arg("idle").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = [0; 5];
    std::io::Read::read_exact(process.stdout.as_mut().context("stdout")?, &mut line)?;
    let attack = words(&["overwrite-executable", &process.id().to_string()]);
    let weak = by_hand::run(&field.image.tree(), &["--net"], &attack)?;
    process.wait()?;
    ensure!(weak.code == 0, "not even where it should: {weak:?}");
    Ok(())
}

/// A script whose interpreter is the process that executes it: it may at most run a program that it cannot write.
fn the_runtime_cannot_be_made_to_run_itself(field: &Field) -> Result<()> {
    let script = "printf '#!/proc/self/exe\\n' > /tmp/evil; chmod 755 /tmp/evil";
    ensure!(field.strong.run(&["sh", "-c", script])?.code == 0, "the script was not written");
    if let Ok(output) = field.strong.run(&["/tmp/evil"]) {
        ensure!(!output.stdout.contains("succeeded"), "{output:?}");
    }
    // It runs on as the process that executes itself; its executable must not be one that can be written.
    let mut paths = vec!["write".to_owned()];
    paths.extend((1..200).map(|pid| format!("/proc/{pid}/exe")));
    expect_refusal(&field.strong, &paths)?;
    Ok(())
}
