//! Containers on the real kernel. Needs root and the static `sandlot-oci` (`make oci`).
//!
//! A program of its own instead of the test harness: everything that clones must be single-threaded. Arguments are
//! taken as parts of the names of the tests to run.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, without the attribute that would say so"
)]

#[path = "root_container/fixture.rs"]
mod fixture;

use fixture::Machine;
use sandlot_runtime::supervisor::protocol::Winsize;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("a_program_runs_inside", a_program_runs_inside),
    ("a_shell_runs_on_its_own_terminal", a_shell_runs_on_its_own_terminal),
];

fn main() {
    fixture::require_root();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn a_program_runs_inside() {
    let machine = Machine::new();
    let output = machine.run(&["sh", "-c", "id; hostname; cat /proc/1/comm; ls -l /dev /dev/pts; mount; ps"]);
    println!("{}", output.stdout);
    println!("{}", output.stderr);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

fn a_shell_runs_on_its_own_terminal() {
    let machine = Machine::new();
    let mut terminal = machine.open_terminal(Winsize { rows: 30, cols: 90 });
    terminal.type_text("tty; stty size; echo $0\n");
    println!("{}", terminal.read_until("-sh"));
    terminal.type_text("exit 7\n");
    assert_eq!(terminal.wait(), 7);
}
