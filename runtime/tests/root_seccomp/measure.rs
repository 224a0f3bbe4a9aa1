//! What the cache saves.

use std::time::{Duration, Instant};

use oci_spec::runtime::{Arch, LinuxSeccomp};
use sandlot_runtime::process::seccomp::{Filter, cache, docker_default};

const ROUNDS: usize = 40;

/// Medians of compiling, of the first use of a cache and of all later ones.
pub(crate) fn print() {
    let two = docker_default(false).unwrap();
    let mut three = two.clone();
    three.set_architectures(Some(vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32]));
    measure("two architectures", &two);
    measure("three architectures", &three);
}

fn measure(name: &str, profile: &LinuxSeccomp) {
    let scratch = tempfile::tempdir().unwrap();
    let compiled = median(|_| drop(Filter::compile(profile).unwrap()));
    let first =
        median(|round| drop(cache::compile(&scratch.path().join(round.to_string()), profile).unwrap()));
    let kept = median(|_| drop(cache::compile(&scratch.path().join("0"), profile).unwrap()));
    println!("{name}: compiled {compiled:?}, compiled and kept {first:?}, from the cache {kept:?}");
}

fn median(mut work: impl FnMut(usize)) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let start = Instant::now();
            work(round);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}
