//! Times of starts and joins, through the library alone.

use std::time::{Duration, Instant};

use sandlot_runtime::supervisor::protocol::Winsize;

use crate::fixture::Machine;

const ROUNDS: usize = 100;

/// From the fork of the worker to the exec of pid 1; from the fork of a second worker to the exec of a shell on a
/// terminal.
pub(crate) fn print() {
    let mut starts = Vec::new();
    let mut joins = Vec::new();
    for _ in 0..ROUNDS {
        let machine = Machine::new();
        starts.push(machine.took);
        let begin = Instant::now();
        let _terminal = machine.open_terminal(Winsize { rows: 30, cols: 90 });
        joins.push(begin.elapsed());
    }
    print_times("start", starts);
    print_times("join", joins);
    print_memory();
}

/// What a machine takes of the host's memory, its pid 1, namespaces, mounts and cgroups, without a shell.
fn print_memory() {
    let _shared = Machine::new();
    let before = available_kib();
    let machines: Vec<Machine> = (0..ROUNDS).map(|_| Machine::new()).collect();
    let taken = before.saturating_sub(available_kib());
    println!("memory: {} KiB an idle machine, of {}", taken / machines.len(), machines.len());
}

fn available_kib() -> usize {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = memory.lines().find(|line| line.starts_with("MemAvailable:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: best {:?}, median {:?}, p90 {:?} of {}", at(0), at(50), at(90), times.len());
}
