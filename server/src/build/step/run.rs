//! RUN.

use std::io::Write;

use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::{BuildMount, BuildNetwork};

use super::super::cache::Key;
use super::super::dockerfile::instruction::{Command, Mount, Network, Run};
use super::super::dockerfile::{Step, expand};
use super::super::error::{Error, Result};
use super::super::machine::{BuildMachine, Fittings, Running};
use super::super::progress::Event;
use super::super::stage::StageRun;
use super::super::variables::is_proxy;
use super::mounts;

/// Where a document that is a program of its own is put while it runs: in memory, and as with BuildKit.
const SCRIPT: &str = "/dev/pipes/EOF";
const SCRIPT_BYTES: u64 = 1 << 20;
/// Characters of a command in an error.
const SHOWN_CHARS: usize = 300;

/// Runs a command in a machine over the layers so far.
pub(super) fn run(stage: &mut StageRun<'_>, run: &Run, step: &Step, client: &mut Client) -> Result<()> {
    let line = step.line;
    let mounts = run.mounts.iter().map(|text| {
        let text = stage.expand(text, line)?;
        Mount::parse(&text).map_err(|cause| Error::at(line, cause))
    });
    let mounts = mounts.collect::<Result<Vec<Mount>>>()?;
    let documents = run.heredocs.iter().map(|document| {
        // A shell replaces variables in its own documents; those that are programs are replaced here.
        let plain = !document.expands || run.only_document().is_none_or(|only| !is_program(&only.content));
        match plain {
            true => Ok(document.content.clone()),
            false => {
                expand::document(&document.content, stage.shared.request.dockerfile.escape, &stage.scope)
                    .map_err(|cause| Error::at(line, cause))
            }
        }
    });
    let documents = documents.collect::<Result<Vec<String>>>()?;
    let program = run.only_document().and(documents.first()).filter(|text| is_program(text)).cloned();
    let argv = argv(stage, run, program.is_some());
    let network = network(stage, run.network, line)?;
    let key = key(stage, &argv, &documents, run, network);
    let text = shown(&argv, run);
    stage.layer(
        client,
        &key,
        &text,
        |stage, client| {
            let (mut fittings, variables) = mounts::prepare(stage, &mounts, line, client)?;
            if program.is_some() {
                let (folder, _) = SCRIPT.rsplit_once('/').unwrap_or_default();
                fittings
                    .mounts
                    .push(BuildMount::Tmpfs { target: folder.to_owned(), size_bytes: SCRIPT_BYTES });
            }
            Ok((Fittings { network, ..fittings }, variables))
        },
        |stage, machine, secrets| {
            if let Some(program) = &program {
                put_program(machine, program)?;
            }
            execute(stage, machine, argv, secrets, line)?;
            Ok(true)
        },
    )
}

fn is_program(text: &str) -> bool {
    text.starts_with("#!")
}

/// What is executed: a lone document is the text for the shell, or a program of its own.
fn argv(stage: &StageRun<'_>, run: &Run, is_program: bool) -> Vec<String> {
    let shell = stage.so_far.config.shell();
    match (run.only_document(), run.script()) {
        (Some(_), _) if is_program => vec![SCRIPT.to_owned()],
        (Some(document), _) => Command::Shell(document.content.clone()).argv(&shell),
        (None, Some(script)) => Command::Shell(script).argv(&shell),
        (None, None) => run.command.argv(&shell),
    }
}

/// `host` is the operator's to give to the whole build.
fn network(stage: &StageRun<'_>, wanted: Network, line: usize) -> Result<BuildNetwork> {
    let whole = stage.shared.request.network;
    match wanted {
        Network::Default => Ok(whole),
        Network::None => Ok(BuildNetwork::None),
        Network::Host if whole == BuildNetwork::Host => Ok(whole),
        Network::Host => {
            Err(Error::at(line, "RUN --network=host: the build was started without --network host"))
        }
    }
}

fn key(
    stage: &StageRun<'_>,
    argv: &[String],
    documents: &[String],
    run: &Run,
    network: BuildNetwork,
) -> sandlot_runtime::image::Digest {
    let mut key = Key::new("run", &stage.so_far.layers.chain(), stage.shared.clock.fixed);
    argv.iter().chain(documents).for_each(|word| key.add(word));
    for (name, value) in stage.scope.of_command() {
        key.add(&format!("{name}={value}"));
    }
    key.add(&format!("{:?} {:?} {network:?}", stage.so_far.config.user, stage.so_far.config.folder()));
    for text in &run.mounts {
        key.add(text);
        if let Some(from) = mounts::source_chain(stage, text) {
            key.add(&from);
        }
    }
    key.finish()
}

fn shown(argv: &[String], run: &Run) -> String {
    match (&run.command, run.only_document()) {
        (Command::Exec(_), _) => format!("RUN {}", argv.join(" ")),
        (_, Some(document)) => format!("RUN /bin/sh -c {}", document.content.trim_end()),
        _ => format!("RUN {}", argv.join(" ")),
    }
}

fn put_program(machine: &mut BuildMachine<'_>, program: &str) -> Result<()> {
    let (folder, name) = SCRIPT.rsplit_once('/').unwrap_or_default();
    let text = program.to_owned();
    machine.put(folder, move |out: &mut dyn Write| {
        let mut tar = tar::Builder::new(out);
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes())?;
        tar.finish()
    })
}

fn execute(
    stage: &StageRun<'_>,
    machine: &mut BuildMachine<'_>,
    argv: Vec<String>,
    secrets: Vec<(String, String)>,
    line: usize,
) -> Result<()> {
    let shared = stage.shared;
    let proxies = shared.request.arguments.iter().filter(|(name, _)| is_proxy(name));
    let mut environment: Vec<(String, String)> = proxies.map(|(n, v)| (n.clone(), v.clone())).collect();
    environment.extend(stage.scope.of_command());
    environment.extend(secrets);
    let shown: String = argv.join(" ").chars().take(SHOWN_CHARS).collect();
    let user = Some(stage.so_far.config.user.clone()).filter(|user| !user.is_empty());
    let running = Running { argv, environment, folder: stage.so_far.config.folder().to_owned(), user };
    let status =
        machine.run(running, None, &|error, bytes| (shared.build.tell)(Event::Output { error, bytes }))?;
    match (status.code, status.signal) {
        (Some(0), _) => Ok(()),
        (code, signal) => {
            let code = code.unwrap_or_else(|| 128 + signal.unwrap_or(0));
            Err(Error::Command { line, command: shown, code })
        }
    }
}
