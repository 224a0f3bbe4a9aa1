//! Containers on the real kernel. Needs root and the static `sandlot-oci` (`make oci`).
//!
//! A program of its own instead of the test harness: everything that clones must be single-threaded. Arguments are
//! taken as parts of the names of the tests to run; `--measure` prints how long starts and joins take.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, without the attribute that would say so"
)]

#[path = "root_container/containment.rs"]
mod containment;
#[path = "root_container/failures.rs"]
mod failures;
#[path = "root_container/fixture.rs"]
mod fixture;
#[path = "root_container/hostile.rs"]
mod hostile;
#[path = "root_container/measure.rs"]
mod measure;
#[path = "root_container/programs.rs"]
mod programs;

type Test = (&'static str, fn());

fn main() {
    fixture::require_root();
    if std::env::args().any(|argument| argument == "--measure") {
        return measure::print();
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let all = [programs::TESTS, containment::TESTS, hostile::TESTS, failures::TESTS].concat();
    let chosen =
        all.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part)));
    let mut count = 0;
    for (name, test) in chosen {
        print!("test {name} ... ");
        test();
        println!("ok");
        count += 1;
    }
    fixture::assert_nothing_left();
    println!("test result: ok. {count} passed");
}
