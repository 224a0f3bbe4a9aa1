//! Containers of `sandlot-oci` made and removed again and again: nothing may stay behind, and the kernel may not grow.
//!
//! `SANDLOT_SOAK_CONTAINERS` is their number. Most are a `run`; every eighth goes through every other command.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandlot_tests::bundle::Bundle;
use sandlot_tests::kernel::Kernel;
use sandlot_tests::leaks::Leaks;
use sandlot_tests::oci::Oci;
use sandlot_tests::wait;

/// Containers that live at the same time.
const TOGETHER: usize = 4;
/// What the kernel may hold back for a while: objects wait for grace periods, and are counted by the slab.
const SLACK: u64 = 100;
const SETTLING: Duration = Duration::from_secs(60);

fn cycles() -> usize {
    std::env::var("SANDLOT_SOAK_CONTAINERS").ok().and_then(|c| c.parse().ok()).unwrap_or(1000)
}

/// What all cycles share.
struct Ground {
    oci: Oci,
    cgroup: String,
    short: Vec<Bundle>,
    long: Vec<Bundle>,
}

impl Ground {
    fn make() -> Result<Self> {
        let busybox = Path::new("/bin/busybox");
        let cgroup = format!("sandlot-soak-{}", std::process::id());
        let bundles = |name: &str, argv: &[&str]| -> Result<Vec<Bundle>> {
            (0..TOGETHER).map(|n| Bundle::new(busybox, argv, &format!("/{cgroup}/{name}-{n}"))).collect()
        };
        let short = bundles("run", &["/busybox", "true"])?;
        let long = bundles("all", &["/busybox", "sleep", "1000"])?;
        Ok(Self { oci: Oci::new()?, cgroup, short, long })
    }

    /// One container of place `place`.
    fn cycle(&self, place: usize, number: usize) -> Result<()> {
        let (short, long) = (self.short.get(place).context("place")?, self.long.get(place).context("place")?);
        let id = format!("soak-{place}-{number}");
        match number % 16 {
            7 => self.every_command(long, &id),
            15 => self.forced_end(long, &id),
            _ => self.oci.run(short, &id),
        }
    }

    fn every_command(&self, bundle: &Bundle, id: &str) -> Result<()> {
        self.oci.create(bundle, id)?;
        self.oci.start(id)?;
        self.oci.exec(id, &["/busybox", "true"])?;
        self.oci.kill(id, "KILL")?;
        wait::until("the end of a killed container", wait::PATIENCE, || {
            self.oci.status(id).ok().flatten().filter(|s| s == "stopped")
        })?;
        self.oci.delete(id, false)
    }

    /// A container that never started, deleted by force; then one that runs.
    fn forced_end(&self, bundle: &Bundle, id: &str) -> Result<()> {
        self.oci.create(bundle, id)?;
        self.oci.delete(id, true)?;
        self.oci.create(bundle, id)?;
        self.oci.start(id)?;
        self.oci.delete(id, true)
    }

    /// `count` cycles, some at the same time.
    fn cycles(&self, count: usize) -> Result<()> {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let work = |place| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && number < count
                {
                    self.cycle(place, number).inspect_err(|_| next.store(count, Ordering::Relaxed))?;
                }
                anyhow::Ok(())
            };
            let workers: Vec<_> = (0..TOGETHER).map(|place| scope.spawn(move || work(place))).collect();
            workers.into_iter().try_for_each(|w| w.join().expect("a worker does not panic"))
        })
    }

    /// Everything that a container could leave by name.
    fn leaks(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let folders = self.short.iter().chain(&self.long).map(Bundle::path).chain([self.oci.folder()]);
        for folder in folders {
            found.extend(Leaks::look(1, 0, &self.cgroup, folder)?.found().to_vec());
        }
        for state in std::fs::read_dir(self.oci.root())?.flatten() {
            found.push(format!("state {}", state.path().display()));
        }
        Ok(found)
    }
}

impl Drop for Ground {
    /// The cgroup above those of the containers is the test's own: a runtime makes it and leaves it, as others do.
    fn drop(&mut self) {
        remove_parents(&self.cgroup);
    }
}

fn remove_parents(cgroup: &str) {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(top).into_iter().flatten().flatten().map(|e| e.path());
    for place in hierarchies.chain([top.to_path_buf()]) {
        std::fs::remove_dir(place.join(cgroup)).ok();
    }
}

fn descriptors() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Waits until the kernel is no larger than it was, but for what other programs on the machine do.
fn settled(early: Kernel) -> Result<Kernel> {
    let end = Instant::now() + SETTLING;
    loop {
        let now = Kernel::look()?;
        let fits = now.memory_kib * 100 <= early.memory_kib * 105
            && now.cgroups <= early.cgroups + SLACK
            && now.network_namespaces <= early.network_namespaces + SLACK;
        if fits {
            return Ok(now);
        }
        ensure!(Instant::now() < end, "the kernel grew from {early:?} to {now:?}");
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

#[test]
fn containers_leave_nothing_behind() -> Result<()> {
    let ground = Ground::make()?;
    let all = cycles();
    let start = Instant::now();
    ground.cycles(all / 10)?;
    let (early, early_descriptors) = (Kernel::look()?, descriptors()?);
    ground.cycles(all - all / 10)?;
    let took = start.elapsed();
    remove_parents(&ground.cgroup);
    wait::until("the end of every trace", SETTLING, || ground.leaks().ok().filter(Vec::is_empty))
        .with_context(|| format!("left behind: {:?}", ground.leaks()))?;
    let late = settled(early)?;
    println!("{all} containers in {:.0} s: {early:?} -> {late:?}", took.as_secs_f64());
    ensure!(descriptors()? <= early_descriptors, "descriptors of the test itself");
    Ok(())
}
