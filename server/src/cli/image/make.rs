//! `sandlot image make`: the images that come with Sandlot.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sandlot_runtime::image::{Meter, Recipe, Reference, Scope};

use super::arguments::{Build, Make, Network};
use super::build;
use super::place::Place;
use crate::build::progress::Event;
use crate::cli::first_images;
use crate::config::Config;
use crate::image::{DefaultImage, Dockerfile, Progress, progress_dir, unpack_one};

/// Of the way to an image that is built, so much is its base's.
const BASE_PERCENT: u8 = 45;
/// Files of an image that comes with Sandlot are not younger: two makings come to the same image.
const EPOCH: &str = "SOURCE_DATE_EPOCH=1735689600";
/// What a maker says that finds another one at work.
const MADE_ELSEWHERE: &str = "another process is making it";
/// Between two looks whether another process has made the base.
const LOOK: Duration = Duration::from_millis(500);

/// Makes an image and brings it in.
///
/// # Errors
/// When the recipe fails; who watches the progress sees why.
pub(super) fn run(config: &Config, what: &Make) -> Result<()> {
    let name = what.image.name();
    let Some(progress) = Progress::start(&progress_dir(&config.run_dir), name)? else {
        bail!("make `{name}`: {MADE_ELSEWHERE}");
    };
    let teller = Mutex::new(Teller { name, progress });
    let made = match what.image {
        DefaultImage::Recipe(recipe) => follow(config, recipe, &teller),
        DefaultImage::Dockerfile(dockerfile) => build(config, dockerfile, &teller),
    };
    let mut teller = teller.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match &made {
        Ok(()) => teller.say("ready", 100),
        Err(error) => teller.progress.fail(&format!("{error:#}"))?,
    }
    made
}

/// Tells who looks at the console, and who reads the progress.
struct Teller {
    name: &'static str,
    progress: Progress,
}

impl Teller {
    fn say(&mut self, stage: &str, percent: u8) {
        // Nobody may be looking, and a progress that cannot be shown is no reason to stop.
        drop(crate::cli::print_line(&format!("image {}: {percent:3} % {stage}", self.name)));
        drop(self.progress.report(stage, percent));
    }
}

fn say(teller: &Mutex<Teller>, stage: &str, percent: u8) {
    if let Ok(mut teller) = teller.lock() {
        teller.say(stage, percent);
    }
}

fn follow(config: &Config, recipe: Recipe, teller: &Mutex<Teller>) -> Result<()> {
    let reference: Reference = recipe.name().parse()?;
    let mut tar = unnamed_file(&config.state_dir)?;
    recipe.make(&mut tar, &mut |step| say(teller, &step.stage, step.percent.min(94)))?;
    tar.rewind()?;
    say(teller, "unpacking", 95);
    let mut place = Place::open(config)?;
    let image = place.store.import(&Scope::Node, tar, Some(&reference))?;
    if let Some(supervisor) = &mut place.supervisor {
        unpack_one(&place.store, &image, supervisor)?;
    }
    Ok(())
}

/// An unnamed file beside the store, for the archive on its way into it.
fn unnamed_file(state_dir: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(state_dir)?;
    let flags = nix::fcntl::OFlag::O_TMPFILE.bits();
    let file = File::options().read(true).write(true).mode(0o600).custom_flags(flags).open(state_dir);
    file.with_context(|| format!("make a file in `{}`", state_dir.display()))
}

fn build(config: &Config, dockerfile: &Dockerfile, teller: &Mutex<Teller>) -> Result<()> {
    make_base(config, teller)?;
    let arguments = Build {
        tags: vec![dockerfile.name.parse()?],
        network: Network::Host,
        build_args: [EPOCH.to_owned()].into_iter().chain(apt_proxy()).collect(),
        ..Build::default()
    };
    let lines = Mutex::new(Lines::default());
    build::from_archive(config, &arguments, dockerfile.context()?, &|event| {
        if let (Event::Output { bytes, .. }, Ok(mut lines)) = (event, lines.lock()) {
            lines.add(bytes, |stage, percent| {
                let left = u16::from(98 - BASE_PERCENT);
                say(teller, stage, BASE_PERCENT + (u16::from(percent) * left / 100) as u8);
            });
        }
    })
}

/// What commands print, as progress.
#[derive(Default)]
struct Lines {
    meter: Meter,
    rest: Vec<u8>,
}

impl Lines {
    fn add(&mut self, bytes: &[u8], mut tell: impl FnMut(&str, u8)) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Some(now) = self.meter.read(String::from_utf8_lossy(&line).trim_end()) {
                tell(&now.stage, now.percent);
            }
        }
    }
}

/// Makes the image `debian` in a process of its own, unless it is there or another process is at it.
#[expect(clippy::disallowed_methods, reason = "this process has one thread, and exists to make images")]
fn make_base(config: &Config, teller: &Mutex<Teller>) -> Result<()> {
    let base = Recipe::Debian.name();
    let mut waits = false;
    while !first_images::present(config)?.contains(base) {
        let mut command = first_images::sandlot(config, &["image", "make", base])?;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let prefix = format!("image {base}: ");
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            let line = line?;
            let told = line.strip_prefix(&prefix).and_then(|told| told.trim_start().split_once(" % "));
            let Some((percent, stage)) = told else { continue };
            let percent: u16 = percent.parse().unwrap_or(0);
            say(teller, stage, (percent * u16::from(BASE_PERCENT) / 100) as u8);
        }
        let output = child.wait_with_output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        let is_made_elsewhere = error.contains(MADE_ELSEWHERE);
        ensure!(output.status.success() || is_made_elsewhere, "make `{base}`: {}", error.trim());
        if is_made_elsewhere {
            if !std::mem::replace(&mut waits, true) {
                say(teller, "waiting for the image debian", 1);
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// What the host's apt goes through to get out, as an argument of a build.
fn apt_proxy() -> Option<String> {
    let output =
        std::process::Command::new("apt-config").args(["dump", "Acquire::http::Proxy"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let value =
        text.lines().find_map(|line| line.strip_prefix("Acquire::http::Proxy \"")?.strip_suffix("\";"))?;
    Some(format!("http_proxy={value}")).filter(|_| !value.is_empty())
}
