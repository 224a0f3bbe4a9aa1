//! System call filters on the real kernel. Needs root, and an x86-64 processor for its programs.
//!
//! A program of its own instead of the test harness: everything that clones must be single-threaded. Arguments are
//! taken as parts of the names of the tests to run; `--measure` prints what the cache saves.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, without the attribute that would say so"
)]

#[path = "root_seccomp/answers.rs"]
mod answers;
#[path = "root_seccomp/child.rs"]
mod child;
#[path = "root_seccomp/listener.rs"]
mod listener;
#[path = "root_seccomp/measure.rs"]
mod measure;
#[path = "root_seccomp/newer.rs"]
mod newer;
#[path = "root_seccomp/program.rs"]
mod program;

type Test = (&'static str, fn());

fn main() {
    assert!(nix::unistd::geteuid().is_root(), "these tests need root");
    if std::env::args().any(|argument| argument == "--measure") {
        return measure::print();
    }
    if !cfg!(target_arch = "x86_64") {
        return println!("skipped: the programs of these tests are for x86-64");
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in [answers::TESTS, newer::TESTS, listener::TESTS].concat() {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            print!("test {name} ... ");
            test();
            println!("ok");
        }
    }
}
