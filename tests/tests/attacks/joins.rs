//! A hostile loop in the instance against the processes that join it.

use std::process::Command as HostCommand;

use anyhow::{Result, ensure};
use sandlot_runtime::supervisor::protocol::Command;
use sandlot_tests::node::binary;

use crate::case::words;
use crate::{Field, Test};

pub(crate) const TESTS: &[Test] =
    &[("joining_processes_cannot_be_inspected", joining_processes_cannot_be_inspected)];

const JOINS: usize = 40;
const ATTACK: &[&str] = &["/bin/sandlot-probe", "watch-joins", "20000", "/bin/busybox", "/bin/sandlot-probe"];

fn joining_processes_cannot_be_inspected(field: &Field) -> Result<()> {
    let command = Command { argv: words(ATTACK), ..Command::default() };
    let mut watch = field.strong.spawn(&command)?;
    watch.wait_for("watching")?;
    for _ in 0..JOINS {
        field.strong.run(&["true"])?;
    }
    field.strong.run(&["touch", "/tmp/enough"])?;
    let strong = watch.end()?;
    ensure!(
        strong.code == 1 && strong.stdout.contains("refused"),
        "a joining process was caught: {strong:?}"
    );

    field.strong.run(&["rm", "/tmp/enough"])?;
    let mut watch = field.strong.spawn(&command)?;
    watch.wait_for("watching")?;
    let careless = HostCommand::new(binary("sandlot-probe")?)
        .args(["join-carelessly", &field.strong.pid().to_string(), "300", "/bin/busybox", "true"])
        .output()?;
    field.strong.run(&["touch", "/tmp/enough"])?;
    let weak = watch.end()?;
    ensure!(weak.code == 0, "the watch does not even catch a careless one: {weak:?}; {careless:?}");
    println!("    joins: {}; careless: {}", strong.stdout.trim(), weak.stdout.trim());
    Ok(())
}
