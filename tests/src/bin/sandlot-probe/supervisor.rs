//! The supervisor's socket in hostile hands. Run on the host, under the user of serve or another one.

use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::unistd::pipe;
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::name::DiffId;
use sandlot_runtime::supervisor::protocol::Request;

use crate::outcome::{Outcome, argument};

/// Connects and greets.
pub(crate) fn connect(arguments: &[String]) -> Outcome {
    match argument::<PathBuf>(arguments, 0) {
        Ok(path) => Outcome::of("greet", Client::connect(&path).and_then(|mut client| client.hello())),
        Err(outcome) => outcome,
    }
}

/// Takes as many connections as there are, and keeps them until stdin is closed.
pub(crate) fn hold_connections(arguments: &[String]) -> Outcome {
    let (path, count) = match (argument::<PathBuf>(arguments, 0), argument::<usize>(arguments, 1)) {
        (Ok(path), Ok(count)) => (path, count),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let mut clients: Vec<Client> = (0..count).filter_map(|_| Client::connect(&path).ok()).collect();
    // One that is refused is closed by the other side, and tells so only now.
    clients.retain_mut(|client| client.hello().is_ok());
    println!("holding {}", clients.len());
    wait("hold connections")
}

/// Asks for layers whose bytes never come, until stdin is closed.
pub(crate) fn stall_unpacks(arguments: &[String]) -> Outcome {
    let (path, count) = match (argument::<PathBuf>(arguments, 0), argument::<usize>(arguments, 1)) {
        (Ok(path), Ok(count)) => (path, count),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let mut client = match Client::connect(&path) {
        Ok(client) => client,
        Err(error) => return Outcome::unprepared("connect", error),
    };
    if let Err(error) = client.hello() {
        return Outcome::unprepared("greet", error);
    }
    let mut held = Vec::new();
    for number in 0..count {
        let (Ok((reader, writer)), Ok(layer)) = (pipe(), DiffId::try_from(format!("{number:064x}"))) else {
            return Outcome::NotTried("make a pipe".to_owned());
        };
        if let Err(error) = client.send(Request::UnpackLayer { layer }, &[reader.as_fd()]) {
            return Outcome::unprepared("ask", error);
        }
        held.push(writer);
    }
    println!("stalled {}", held.len());
    wait("stall layers")
}

fn wait(what: &str) -> Outcome {
    Outcome::of(what, std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
}
