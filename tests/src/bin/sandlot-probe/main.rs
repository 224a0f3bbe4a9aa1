//! A static program that attacks the machine it runs in and says what came of it.
//!
//! One attack per run: `sandlot-probe NAME [ARGUMENT...]`. It prints one line, `succeeded: ...` or `refused: ...`, and
//! exits with 0 or 1 (2 when it could not even try). No attack does harm where it succeeds: what is opened for writing
//! is closed unwritten, what is made is removed, floods end by themselves at the count that they are given.
#![expect(clippy::print_stdout, reason = "the line on stdout is what the program is for")]

mod calls;
mod descriptors;
mod device;
mod executable;
mod flood;
mod frame;
mod join;
mod memory;
mod mount;
mod namespace;
mod network;
mod open;
mod outcome;
mod process;
mod release_agent;
mod rewire;
mod root;
mod setuid;
mod supervisor;
mod watch;

use std::process::ExitCode;

use outcome::Outcome;

/// An attack: its name, the arguments it takes, and what carries it out.
struct Attack {
    name: &'static str,
    arguments: &'static str,
    run: fn(&[String]) -> Outcome,
}

const fn attack(name: &'static str, arguments: &'static str, run: fn(&[String]) -> Outcome) -> Attack {
    Attack { name, arguments, run }
}

const ATTACKS: &[Attack] = &[
    attack("see-process", "TEXT", process::see),
    attack("signal-process", "PID", process::signal),
    attack("leave-root", "PATH", root::leave),
    attack("see-mount", "TEXT", mount::see),
    attack("mount", "", mount::new_filesystem),
    attack("remount-writable", "PATH", mount::writable_again),
    attack("open-device", "block|char MAJOR MINOR", device::make_and_open),
    attack("see-device", "NAME...", device::see_others),
    attack("write", "PATH...", open::for_writing),
    attack("read", "PATH...", open::for_reading),
    attack("release-agent", "", release_agent::reach),
    attack("call", "NAME", calls::reach),
    attack("user-namespace", "", namespace::new_user_namespace),
    attack("set-hostname", "", namespace::rename_host),
    attack("see-shared-memory", "KEY", namespace::see_shared_memory),
    attack("connect", "ADDRESS:PORT", network::connect),
    attack("send-frames", "LINK FRAME...", frame::send_all),
    attack("hear-frame", "LINK WANTED LAST", frame::hear),
    attack("rewire", "delete|make|move|stack NAMESPACE-ID LINK", rewire::other_end),
    attack("connect-abstract", "NAME", network::connect_abstract),
    attack("see-link", "", network::see_link),
    attack("see-socket", "TEXT", network::see_socket),
    attack("watch-joins", "MILLISECONDS PROGRAM...", watch::joins),
    attack("overwrite-executable", "PID", executable::overwrite),
    attack("see-descriptors", "", descriptors::see_others),
    attack("make-setuid", "PATH", setuid::make),
    attack("be-root", "", setuid::is_root),
    attack("fork", "COUNT", flood::processes),
    attack("memory", "MEBIBYTES", memory::fill),
    attack("open-files", "COUNT", flood::files),
    attack("make-files", "FOLDER COUNT", flood::inodes),
    attack("fill-disk", "FOLDER MEBIBYTES", flood::disk),
    attack("open-terminals", "COUNT", flood::terminals),
    attack("open-sockets", "COUNT", flood::sockets),
    attack("connect-supervisor", "SOCKET", supervisor::connect),
    attack("hold-connections", "SOCKET COUNT", supervisor::hold_connections),
    attack("stall-unpacks", "SOCKET COUNT", supervisor::stall_unpacks),
    // No attacks: what must work; a process to be attacked; one that joins a container carelessly, run on the host.
    attack("ping", "", network::ping),
    attack("idle", "", process::idle),
    attack("join-carelessly", "PID MILLISECONDS PROGRAM...", join::carelessly),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else { return usage() };
    let Some(attack) = ATTACKS.iter().find(|attack| attack.name == name) else { return usage() };
    match (attack.run)(rest) {
        Outcome::Succeeded(how) => {
            println!("succeeded: {how}");
            ExitCode::SUCCESS
        }
        Outcome::Refused(why) => {
            println!("refused: {why}");
            ExitCode::from(1)
        }
        Outcome::NotTried(why) => {
            println!("not tried: {name} {}: {why}", attack.arguments);
            ExitCode::from(2)
        }
    }
}

fn usage() -> ExitCode {
    for attack in ATTACKS {
        println!("sandlot-probe {} {}", attack.name, attack.arguments);
    }
    ExitCode::from(2)
}
