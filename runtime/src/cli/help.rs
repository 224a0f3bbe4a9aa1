//! Help texts, in the form of runc's.

use std::fmt::Write;

use super::arguments::Flag;
use super::command::{COMMANDS, Command, GLOBAL};

/// Of the program.
pub(super) fn of_program() -> String {
    let mut text = String::from(
        "NAME:\n   sandlot-oci, in place of runc - Open Container Initiative runtime\n\n\
         USAGE:\n   sandlot-oci [global options] command [command options] [arguments...]\n\n\
         It makes containers from OCI bundles: folders with a root file system and a config.json.\n\n\
         COMMANDS:\n",
    );
    for command in COMMANDS {
        // Writing to a text cannot fail.
        let _infallible = writeln!(text, "   {:12}{}", command.name, command.usage);
    }
    text.push_str("\nGLOBAL OPTIONS:\n");
    add_flags(&mut text, GLOBAL);
    text
}

/// Of one command.
pub(super) fn of_command(command: &Command) -> String {
    let Command { name, usage, arguments, .. } = command;
    let mut text = format!(
        "NAME:\n   sandlot-oci, as runc {name} - {usage}\n\n\
         USAGE:\n   sandlot-oci {name} [command options] {arguments}\n\nOPTIONS:\n"
    );
    add_flags(&mut text, command.flags);
    text
}

fn add_flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let name = |name: &&str| if name.len() > 1 { format!("--{name}") } else { format!("-{name}") };
        let names = flag.names.iter().map(name).collect::<Vec<_>>().join(", ");
        let value = if flag.takes_value { " value" } else { "" };
        // Writing to a text cannot fail.
        let _infallible = writeln!(text, "   {:32}{}", format!("{names}{value}"), flag.usage);
    }
    text.push_str("   --help, -h                      show help\n");
}
