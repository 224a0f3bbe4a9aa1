//! `debian`: a small Debian by mmdebstrap. The recipe itself is the script in `deploy/images`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Progress, failed};
use crate::image::Error;

const SCRIPT: &str = include_str!("../../../../deploy/images/debian.sh");
const PROGRAMS: [&str; 2] = ["mmdebstrap", "unshare"];
/// Lines of the script's output that are told when it fails.
const LAST_LINES: usize = 8;

/// Runs the script, which writes the tar.
pub(super) fn make(into: &mut File, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    require()?;
    let folder = scratch_folder().map_err(|error| failed("debian", error))?;
    let archive = folder.join("rootfs.tar");
    let script = folder.join("debian.sh");
    let written = std::fs::write(&script, SCRIPT).map_err(|error| failed("debian", error));
    let made = written.and_then(|()| run(&script, &archive, progress)).and_then(|()| {
        let copied = File::open(&archive).and_then(|mut tar| io::copy(&mut tar, into));
        copied.map(drop).map_err(|error| failed("debian", format!("read the archive: {error}")))
    });
    // In a folder for temporary files: what stays there harms nobody.
    std::fs::remove_dir_all(&folder).ok();
    made
}

fn require() -> Result<(), Error> {
    if !nix::unistd::geteuid().is_root() {
        return Err(failed("debian", "it takes root; run `sandlot image make debian` as root"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    match PROGRAMS.iter().find(|program| !has(program)) {
        None => Ok(()),
        Some(program) => Err(failed(
            "debian",
            format!("`{program}` is missing; install it (Debian: apt install mmdebstrap util-linux)"),
        )),
    }
}

fn scratch_folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("sandlot-debian-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

fn run(script: &Path, archive: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    let system = |error: io::Error| failed("debian", format!("run the recipe: {error}"));
    let mut child = start(script, archive).map_err(system)?;
    let mut meter = Meter::default();
    let mut last = std::collections::VecDeque::new();
    for line in child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.unwrap_or_default();
        if let Some(now) = meter.read(&line) {
            progress(now);
        } else if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    if child.wait().map_err(system)?.success() {
        return Ok(());
    }
    let lines: Vec<String> = last.into();
    Err(failed("debian", format!("the recipe failed; its last lines:\n{}", lines.join("\n"))))
}

#[expect(clippy::disallowed_methods, reason = "a recipe runs in a process of its own")]
fn start(script: &Path, archive: &Path) -> io::Result<Child> {
    Command::new("sh")
        .arg(script)
        .arg(archive)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// Makes a percentage of what mmdebstrap, apt and dpkg print.
#[derive(Debug, Default)]
pub struct Meter {
    /// Packages that apt said it would install, in all its runs.
    packages: u64,
    fetched: u64,
    unpacked: u64,
    configured: u64,
    told: u8,
}

/// The two runs of apt together, about; corrected upwards by what apt says.
const USUAL_PACKAGES: u64 = 100;

impl Meter {
    /// The progress, where a line brings any.
    pub fn read(&mut self, line: &str) -> Option<Progress> {
        let stage = self.stage(line)?;
        let total = self.packages.max(USUAL_PACKAGES);
        // Fetching and unpacking take about as long as configuring.
        let steps = self.fetched + self.unpacked + 2 * self.configured;
        let counted = 2 + 88 * steps.min(4 * total) / (4 * total);
        let said = line.strip_prefix("progress ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let percent = said.unwrap_or(u8::try_from(counted).unwrap_or(90)).min(100);
        if percent <= self.told {
            return None;
        }
        self.told = percent;
        Some(Progress { percent, stage })
    }

    fn stage(&mut self, line: &str) -> Option<String> {
        let (first, rest) = line.split_once(' ')?;
        match first {
            "progress" => return rest.split_once(' ').map(|(_, stage)| stage.to_owned()),
            "Unpacking" => self.unpacked += 1,
            "Setting" => self.configured += 1,
            _ if first.starts_with("Get:") => self.fetched += 1,
            _ => {
                let new =
                    rest.strip_prefix("upgraded, ").and_then(|rest| rest.split(' ').next()?.parse().ok());
                self.packages += new.unwrap_or(0);
                return None;
            }
        }
        let package = rest.split(' ').find(|word| !matches!(*word, "up"))?;
        Some(match first {
            "Unpacking" => format!("unpacking {package}"),
            "Setting" => format!("setting up {package}"),
            _ => fetching(rest),
        })
    }
}

/// `http://host/debian bookworm/main amd64 PACKAGE amd64 1.0 [9 kB]`, or a list in place of a package.
fn fetching(rest: &str) -> String {
    match rest.split(' ').nth(3) {
        Some(package) if !package.starts_with('[') && package != "Packages" => format!("fetching {package}"),
        _ => "fetching the lists of packages".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentage_rises_from_line_to_line() {
        let mut meter = Meter::default();
        let lines = [
            "progress 1 asking the archive",
            "0 upgraded, 69 newly installed, 0 to remove and 0 not upgraded.",
            "I: running apt-get update...",
            "Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB]",
            "Get:2 http://deb.debian.org/debian bookworm/main amd64 Packages [8792 kB]",
            "Get:3 http://deb.debian.org/debian bookworm/main amd64 libc6 amd64 2.36-9 [2757 kB]",
            "Get:4 http://deb.debian.org/debian bookworm/main amd64 dash amd64 0.5 [97 kB]",
        ];
        let mut told: Vec<Progress> = lines.iter().filter_map(|line| meter.read(line)).collect();
        for number in 0..160 {
            told.extend(meter.read(&format!("Unpacking package{number} (1.0) ...")));
            told.extend(meter.read(&format!("Setting up package{number} (1.0) ...")));
        }
        told.extend(meter.read("progress 100 done"));
        assert!(told.windows(2).all(|pair| pair[0].percent < pair[1].percent));
        assert!(told.iter().any(|now| now.stage.starts_with("setting up package")));
        assert!(told.iter().any(|now| now.stage.starts_with("fetching")));
        assert_eq!(fetching("http://x bookworm/main amd64 dash amd64 0.5 [97 kB]"), "fetching dash");
        assert_eq!(told.first().map(|now| now.stage.as_str()), Some("asking the archive"));
        assert_eq!(told.last(), Some(&Progress { percent: 100, stage: "done".to_owned() }));
    }
}
