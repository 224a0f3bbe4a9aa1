//! Attacks from inside an instance: each is refused there, and each succeeds where the instance is deliberately weakened,
//! so that none is refused by accident. Needs root and `make dev`.
//!
//! A program of its own instead of the test harness: everything that clones must be single-threaded. Arguments are taken
//! as parts of the names of the tests to run.
#![expect(clippy::print_stdout, reason = "a test program says what it does")]

mod allowed;
mod by_hand;
mod case;
mod escapes;
mod floods;
mod host;
mod images;
mod joins;
mod kernel;
mod sight;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use case::Case;
use host::Host;
use sandlot_tests::instance::{Changes, Image, Instance};

/// What the tests share: an image, and the instance as a session gets it.
struct Field {
    image: Image,
    strong: Instance,
    host: Host,
}

type Test = (&'static str, fn(&Field) -> Result<()>);

fn cases() -> Vec<Case> {
    [sight::CASES, kernel::CASES, floods::CASES].concat()
}

const TESTS: &[&[Test]] = &[allowed::TESTS, escapes::TESTS, joins::TESTS, images::TESTS, floods::TESTS];

fn main() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "these tests start containers and must run as root");
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let image = Image::new(|_| Ok(()))?;
    let strong = Instance::start(&image, Changes::default()).context("start the strong instance")?;
    let field = Field { host: Host::new(image.tree())?, image, strong };
    let (mut passed, mut failed) = (0, 0);
    let mut last = Instant::now();
    let mut count = |name: &str, result: Result<String>| match result {
        Ok(remark) => {
            passed += 1;
            println!("test {name} ... ok in {} ms {remark}", last.elapsed().as_millis());
            last = Instant::now();
        }
        Err(error) => {
            failed += 1;
            println!("test {name} ... FAILED\n    {error:#}");
        }
    };
    for case in cases().iter().filter(|case| is_wanted(case.name)) {
        count(case.name, case.run(&field));
    }
    for (name, test) in TESTS.iter().copied().flatten().filter(|(name, _)| is_wanted(name)) {
        count(name, test(&field).map(|()| String::new()));
    }
    let Field { strong, .. } = field;
    strong.end()?;
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed",
        if failed == 0 { "ok" } else { "FAILED" }
    );
    ensure!(failed == 0, "{failed} tests failed");
    Ok(())
}
