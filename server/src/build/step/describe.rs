//! Instructions that only describe the image.

use serde_json::json;

use super::super::dockerfile::instruction::Health;
use super::super::dockerfile::{Instruction, Step, expand};
use super::super::error::{Error, Result};
use super::super::stage::StageRun;
use super::super::variables::is_proxy;
use crate::build::dockerfile::instruction::Command;

/// Changes the image's configuration.
pub(super) fn describe(stage: &mut StageRun<'_>, instruction: &Instruction, step: &Step) -> Result<()> {
    let line = step.line;
    let mut text = step.text.clone();
    match instruction {
        Instruction::Arg(arguments) => arguments.iter().try_for_each(|one| argument(stage, one, line))?,
        Instruction::Env(pairs) => {
            let expanded = expand_pairs(stage, pairs, line)?;
            text = format!("ENV {}", joined(&expanded));
            expanded.iter().for_each(|(name, value)| stage.scope.set(name, value));
        }
        Instruction::Label(pairs) => {
            let expanded = expand_pairs(stage, pairs, line)?;
            text = format!("LABEL {}", joined(&expanded));
            stage.so_far.config.labels.extend(expanded);
        }
        Instruction::User(user) => {
            let user = stage.expand(user, line)?;
            text = format!("USER {user}");
            stage.so_far.config.user = user;
        }
        Instruction::Expose(words) => {
            let escape = stage.shared.request.dockerfile.escape;
            let words = expand::words(words, escape, &stage.scope).map_err(|cause| Error::at(line, cause))?;
            for word in &words {
                stage.so_far.config.ports.extend(ports(word).map_err(|cause| Error::at(line, cause))?);
            }
            text = format!("EXPOSE {}", words.join(" "));
        }
        Instruction::Volume(paths) => {
            for path in paths {
                let path = stage.expand(path, line)?;
                if path.trim().is_empty() {
                    return Err(Error::at(line, "VOLUME: a path is empty"));
                }
                stage.so_far.config.volumes.insert(path);
            }
        }
        Instruction::Entrypoint(command) => {
            let argv = command.argv(&stage.so_far.config.shell());
            stage.so_far.config.entrypoint = Some(argv);
            // A command of the base image would be arguments of another program.
            if !stage.has_own_cmd {
                stage.so_far.config.cmd = None;
            }
        }
        Instruction::Cmd(command) => {
            stage.so_far.config.cmd = Some(command.argv(&stage.so_far.config.shell()));
            stage.has_own_cmd = true;
        }
        Instruction::Healthcheck(health) => stage.so_far.config.healthcheck = Some(health_document(health)),
        Instruction::Shell(shell) => stage.so_far.config.shell = Some(shell.clone()),
        Instruction::Stopsignal(signal) => {
            let signal = stage.expand(signal, line)?;
            check_signal(&signal).map_err(|cause| Error::at(line, cause))?;
            stage.so_far.config.stop_signal = Some(signal);
        }
        Instruction::Onbuild(trigger) => stage.so_far.config.triggers.push(trigger.clone()),
        Instruction::Maintainer(name) => stage.so_far.config.author = Some(name.clone()),
        Instruction::From { .. }
        | Instruction::Run(_)
        | Instruction::Copy(_)
        | Instruction::Add(_)
        | Instruction::Workdir(_) => {
            return Err(Error::at(line, "the instruction is not one that describes"));
        }
    }
    stage.describe(&text);
    Ok(())
}

/// A given value comes before the default, and a global one is taken over by naming it.
fn argument(stage: &mut StageRun<'_>, (name, default): &(String, Option<String>), line: usize) -> Result<()> {
    let shared = stage.shared;
    let value = match (shared.request.arguments.get(name), default) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(text)) => Some(stage.expand(text, line)?),
        (None, None) => shared.globals.get(name).cloned(),
    };
    if let Some(value) = value.filter(|_| !is_proxy(name)) {
        stage.scope.arguments.insert(name.clone(), value);
    }
    Ok(())
}

/// All values see the variables as they were before the instruction.
fn expand_pairs(
    stage: &StageRun<'_>,
    pairs: &[(String, String)],
    line: usize,
) -> Result<Vec<(String, String)>> {
    let expand =
        |(name, value): &(String, String)| Ok((stage.expand(name, line)?, stage.expand(value, line)?));
    pairs.iter().map(expand).collect()
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// `80`, `80/udp`, `8000-8010`, each as the image's configuration has it.
fn ports(text: &str) -> std::result::Result<Vec<String>, String> {
    let wrong =
        || format!("EXPOSE {text}: must be a port from 1 to 65535 or a range, and /tcp, /udp or /sctp");
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong);
    let (first, last) = (port(first)?, port(last)?);
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) || first > last {
        return Err(wrong());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn check_signal(text: &str) -> std::result::Result<(), String> {
    let name = text.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    let known = name.parse::<nix::sys::signal::Signal>().is_ok() || name.starts_with("SIGRTM");
    let number = text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    if known || number { Ok(()) } else { Err(format!("STOPSIGNAL {text}: there is no such signal")) }
}

/// Times in nanoseconds, as Docker has it.
fn health_document(health: &Health) -> serde_json::Value {
    let Some(command) = &health.command else { return json!({ "Test": ["NONE"] }) };
    let test: Vec<String> = match command {
        Command::Exec(argv) => std::iter::once("CMD".to_owned()).chain(argv.iter().cloned()).collect(),
        Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.clone()],
    };
    let mut document = json!({ "Test": test });
    let times = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ];
    if let Some(object) = document.as_object_mut() {
        for (name, time) in times {
            let time =
                time.filter(|time| !time.is_zero()).and_then(|time| u64::try_from(time.as_nanos()).ok());
            object.extend(time.map(|time| (name.to_owned(), json!(time))));
        }
        object.extend(health.retries.map(|retries| ("Retries".to_owned(), json!(retries))));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_ranges_with_a_protocol() {
        assert_eq!(ports("80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("53-54/UDP").unwrap(), ["53/udp", "54/udp"]);
        for bad in ["0", "x", "70000", "9-8", "80/icmp", ""] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn signals_have_names_and_numbers() {
        for good in ["SIGTERM", "term", "9", "SIGRTMIN+3"] {
            assert!(check_signal(good).is_ok(), "{good}");
        }
        for bad in ["SIGNOPE", "0", "65", ""] {
            assert!(check_signal(bad).is_err(), "{bad}");
        }
    }
}
