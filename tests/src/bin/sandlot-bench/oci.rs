//! Start of a container by `run` on the command line, beside other runtimes and a plain C program of the same effect.
//!
//! Every round measures each of them once, in turns, on an idle machine. All get the same bundle: every namespace but a
//! user namespace, an overlay as the root, a cgroup in every hierarchy, and a static program that does nothing.

mod contestant;
mod ground;
mod library;

use std::time::Duration;

use anyhow::Result;

use self::contestant::Contestant;
use self::ground::Ground;
use self::library::Library;
pub(crate) use self::library::serve as serve_library;
use crate::statistics::{ms, percentile, ratio};

/// Wait before each start, so that it finds an idle machine, as the first visitor would.
const PAUSE: Duration = Duration::from_millis(60);

/// Measures all runtimes that are installed.
pub(crate) fn measure() -> Result<Vec<String>> {
    let rounds = std::env::var("SANDLOT_BENCH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(40);
    let ground = Ground::make()?;
    let mut contestants = Contestant::all(&ground)?;
    for contestant in &mut contestants {
        contestant.warm_up(&ground)?;
    }
    let mut library = Library::begin(&ground.path("library"), ground.bundle().path())?;
    let mut by_library = Vec::new();
    library.start()?;
    for round in 0..rounds {
        // Whoever comes first finds other caches than whoever comes last, so the order rotates.
        for place in 0..contestants.len() {
            let turn = (round + place) % contestants.len();
            std::thread::sleep(PAUSE);
            if let Some(contestant) = contestants.get_mut(turn) {
                contestant.start(&ground)?;
            }
        }
        std::thread::sleep(PAUSE);
        by_library.push(library.start()?);
    }
    library.end()?;
    Ok(report(&contestants, &by_library))
}

fn report(contestants: &[Contestant], by_library: &[Duration]) -> Vec<String> {
    let floor = contestants.first().map(|c| percentile(c.times(), 50)).unwrap_or_default();
    let crun = contestants.iter().find(|c| c.name() == "crun").map(|c| percentile(c.times(), 50));
    let line = |c: &Contestant| {
        let p50 = percentile(c.times(), 50);
        let beside =
            crun.map_or_else(|| "crun is not installed".to_owned(), |crun| ratio(p50, crun) + " of crun");
        format!(
            "oci run: {:<14} p50 {:>9}  p95 {:>9}  best {:>9}  {} of the floor  {beside}  peak {} KiB",
            c.name(),
            ms(p50),
            ms(percentile(c.times(), 95)),
            ms(percentile(c.times(), 0)),
            ratio(p50, floor),
            c.peak_kib()
        )
    };
    let p50 = percentile(by_library, 50);
    let last = format!(
        "oci run: {:<14} p50 {:>9}  p95 {:>9}  best {:>9}  {} of the floor",
        "by the library",
        ms(p50),
        ms(percentile(by_library, 95)),
        ms(percentile(by_library, 0)),
        ratio(p50, floor)
    );
    contestants.iter().map(line).chain([last]).collect()
}
