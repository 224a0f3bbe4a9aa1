//! The command line of `sandlot-oci`: that of runc 1.1, with its output and the wording of its errors.
//!
//! One file a command; what a command does to a container is in `oci`. Entered from the binaries before anything else of
//! theirs runs; the process has one thread.

mod arguments;
mod bytes;
mod command;
mod context;
mod create;
mod delete;
mod documents;
mod duration;
mod events;
mod exec;
pub mod features;
mod help;
mod kill;
mod list;
mod log;
mod pause;
mod process;
mod ps;
mod run;
pub mod spec;
mod start;
mod state;
mod table;
mod unavailable;
mod update;
mod version;

use std::ffi::OsString;

use arguments::Parsed;
use command::{COMMANDS, Command, GLOBAL};
use context::Context;

/// What a command gives back: the exit status.
type Outcome = Result<i32, crate::oci::Error>;

/// Runs the command line and returns the exit status. `args` begin with the program's name.
pub fn run(args: impl Iterator<Item = OsString>) -> i32 {
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    let program = args.next().unwrap_or_else(|| "sandlot-oci".to_owned());
    let args: Vec<String> = args.collect();
    // Signals and their handling may come in any state from whoever started us; a child that is ignored cannot be waited for.
    if let Err(errno) = crate::sys::signal::reset() {
        return say_and_fail(&format!("{program}: clear the signal mask: {errno}"));
    }
    let global = match arguments::parse(GLOBAL, &args, false) {
        Ok(global) => global,
        Err(error) => return say_and_fail(&format!("Incorrect Usage. {error}\n\n{}", help::of_program())),
    };
    dispatch(&program, &global)
}

fn dispatch(program: &str, global: &Parsed) -> i32 {
    if global.has("version") {
        return print(&version::text());
    }
    let Some((name, rest)) = global.rest.split_first() else { return print(&help::of_program()) };
    if global.has("help") || name == "help" || name == "h" {
        return print(&help::of_program());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return say_and_fail(&format!("No help topic for '{name}'"));
    };
    match arguments::parse(command.flags, rest, command.reorders) {
        Ok(given) if given.has("help") => print(&help::of_command(command)),
        Ok(given) => execute(program, command, global, &given),
        Err(error) => {
            print(&format!("Incorrect Usage: {error}\n\n{}", help::of_command(command)));
            say_and_fail(&error)
        }
    }
}

fn execute(program: &str, command: &Command, global: &Parsed, given: &Parsed) -> i32 {
    let context = match Context::new(global) {
        Ok(context) => context,
        Err(error) => return say_and_fail(&error.to_string()),
    };
    if let Err(error) = command.check(program, given) {
        print(&format!("Incorrect Usage.\n\n{}", help::of_command(command)));
        context.log.error(&error);
        return 1;
    }
    match (command.run)(&context, given) {
        Ok(status) => status,
        Err(error) => {
            context.log.error(&format!("{}{error}", command.failure));
            command.failure_status
        }
    }
}

/// A closed standard output is nobody's failure.
fn print(text: &str) -> i32 {
    use std::io::Write;
    i32::from(std::io::stdout().write_all(text.as_bytes()).is_err())
}

fn say_and_fail(text: &str) -> i32 {
    use std::io::Write;
    // Without a standard error nobody listens.
    let _unheard = writeln!(std::io::stderr(), "{text}");
    1
}
