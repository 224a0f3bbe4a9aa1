//! Which stages are needed, and in which order they are built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use oci_spec::image::MediaType;
use sandlot_runtime::image::{Digest, Lease, Record, assemble};
use serde_json::{Value, json};

use super::dockerfile::expand;
use super::dockerfile::instruction::{Mount, MountKind};
use super::dockerfile::{Dockerfile, Instruction};
use super::error::{Error, Result};
use super::history::Clock;
use super::progress::Event;
use super::request::{Build, Built, Request};
use super::stage::{Finished, StageRun};
use super::variables;

/// What all stages of one build share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) build: &'a Build<'a>,
    pub(super) request: &'a Request,
    pub(super) lease: Lease,
    pub(super) clock: Clock,
    /// Arguments before the first FROM, with those about platforms.
    pub(super) globals: BTreeMap<String, String>,
    /// Steps in all, for the progress.
    pub(super) steps: usize,
    /// Steps begun.
    pub(super) begun: std::sync::atomic::AtomicUsize,
}

/// Stages by their number: what they came to, once they have.
type Done = Mutex<BTreeMap<usize, Option<Arc<Finished>>>>;

/// Runs a build.
pub(super) fn run(build: &Build<'_>, request: &Request) -> Result<Built> {
    let file = &request.dockerfile;
    let target = match &request.target {
        None => file.stages.len() - 1,
        Some(name) => file
            .find(name)
            .ok_or_else(|| Error::Request(format!("the Dockerfile has no stage `{name}` to build")))?,
    };
    let epoch = request.arguments.get("SOURCE_DATE_EPOCH").map(String::as_str);
    let clock = Clock::read(epoch).map_err(Error::Request)?;
    let name = file.stages.get(target).and_then(|stage| stage.name.clone()).unwrap_or_default();
    let globals = globals(request, &name)?;
    let order = needed(file, target, &globals)?;
    let steps =
        order.iter().filter_map(|stage| file.stages.get(*stage)).map(|stage| stage.steps.len() + 1).sum();
    let lease = build.store.lease()?;
    let begun = std::sync::atomic::AtomicUsize::new(0);
    let shared = Shared { build, request, lease, clock, globals, steps, begun };
    let finished = build_stages(&shared, &order, target)?;
    commit(&shared, &finished)
}

/// The global arguments with their values: those given before the defaults.
fn globals(request: &Request, target: &str) -> Result<BTreeMap<String, String>> {
    let mut all = variables::of_platform(&request.platform, target);
    for (name, default) in &request.dockerfile.globals {
        let value = match (request.arguments.get(name), default) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(text)) => Some(
                expand::word(text, request.dockerfile.escape, &all)
                    .map_err(|cause| Error::at(1, format!("ARG {name}: {cause}")))?,
            ),
            (None, None) => None,
        };
        all.extend(value.map(|value| (name.clone(), value)));
    }
    Ok(all)
}

/// The stages that the target needs, each after those that it needs itself.
fn needed(file: &Dockerfile, target: usize, globals: &BTreeMap<String, String>) -> Result<Vec<usize>> {
    let mut wanted = BTreeSet::new();
    let mut next = vec![target];
    while let Some(number) = next.pop() {
        if wanted.insert(number) {
            next.extend(needs(file, number, globals));
        }
    }
    // A stage needs earlier ones only, so their order is one.
    Ok(wanted.into_iter().collect())
}

/// The stages that one needs directly. A name of a later stage, or its own, is that of an image.
pub(super) fn needs(file: &Dockerfile, number: usize, globals: &BTreeMap<String, String>) -> BTreeSet<usize> {
    let Some(stage) = file.stages.get(number) else { return BTreeSet::new() };
    let expanded = |text: &str| expand::word(text, file.escape, globals).unwrap_or_else(|_| text.to_owned());
    let base = file
        .stages
        .iter()
        .take(number)
        .rposition(|other| other.name == Some(expanded(&stage.base).to_lowercase()));
    let mut needs: BTreeSet<usize> = base.into_iter().collect();
    for step in &stage.steps {
        let names: Vec<String> = match &step.instruction {
            Instruction::Copy(copy) => copy.from.iter().map(|from| expanded(from)).collect(),
            Instruction::Run(run) => {
                run.mounts.iter().filter_map(|mount| from_of(&expanded(mount))).collect()
            }
            _ => Vec::new(),
        };
        needs.extend(names.iter().filter_map(|name| earlier(file, number, name)));
    }
    needs
}

fn from_of(mount: &str) -> Option<String> {
    match Mount::parse(mount).ok()?.kind {
        MountKind::Bind { from, .. } => from,
        _ => None,
    }
}

/// A stage before this one, by name or number.
pub(super) fn earlier(file: &Dockerfile, number: usize, name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let named = file.stages.iter().take(number).rposition(|stage| stage.name.as_ref() == Some(&lower));
    named.or_else(|| name.parse().ok().filter(|other| *other < number))
}

/// Builds stages in threads, one for each connection: whichever stage has all that it needs is next.
fn build_stages(shared: &Shared<'_>, order: &[usize], target: usize) -> Result<Arc<Finished>> {
    let file = &shared.request.dockerfile;
    let waiting: Mutex<Vec<usize>> = Mutex::new(order.to_vec());
    let done: Done = Mutex::default();
    let changed = Condvar::new();
    let failure: Mutex<Option<Error>> = Mutex::default();
    let clients = std::mem::take(&mut *lock(&shared.build.clients));
    thread::scope(|scope| {
        let (waiting, done, changed, failure) = (&waiting, &done, &changed, &failure);
        for mut client in clients {
            scope.spawn(move || {
                while let Some(number) = next(file, &shared.globals, waiting, done, changed, failure) {
                    let built =
                        StageRun::new(shared, number, &lock(done)).and_then(|run| run.run(&mut client));
                    match built {
                        Ok(finished) => drop(lock(done).insert(number, Some(Arc::new(finished)))),
                        Err(error) => drop(lock(failure).get_or_insert(error)),
                    }
                    changed.notify_all();
                }
                lock(&shared.build.clients).push(client);
            });
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let finished = lock(&done).remove(&target).flatten();
    finished.ok_or_else(|| Error::Request("the build has no connection to a supervisor".to_owned()))
}

/// A stage that may begin; waits for one; `None` when there are no more, or one has failed.
fn next(
    file: &Dockerfile,
    globals: &BTreeMap<String, String>,
    waiting: &Mutex<Vec<usize>>,
    done: &Done,
    changed: &Condvar,
    failure: &Mutex<Option<Error>>,
) -> Option<usize> {
    let mut finished = lock(done);
    loop {
        if lock(failure).is_some() {
            return None;
        }
        let mut waiting = lock(waiting);
        let ready = |number: &usize| {
            needs(file, *number, globals)
                .iter()
                .all(|needed| finished.get(needed).is_some_and(Option::is_some))
        };
        match waiting.iter().position(ready) {
            Some(at) => {
                let number = waiting.remove(at);
                finished.insert(number, None);
                return Some(number);
            }
            None if waiting.is_empty() => return None,
            None => drop(waiting),
        }
        finished = changed.wait(finished).unwrap_or_else(PoisonError::into_inner);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes configuration and manifest, and names the image.
fn commit(shared: &Shared<'_>, finished: &Finished) -> Result<Built> {
    let Shared { build, request, lease, clock, .. } = shared;
    let diff_ids: Vec<String> = finished.layers.diff_ids().iter().map(ToString::to_string).collect();
    let mut config = finished.config.clone();
    config.labels.extend(request.labels.clone());
    let mut document = json!({
        "created": clock.now(),
        "architecture": request.platform.architecture(),
        "os": request.platform.os(),
        "config": config.write(),
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": finished.history,
    });
    if let Some(object) = document.as_object_mut() {
        object.extend(request.platform.variant().map(|variant| ("variant".to_owned(), json!(variant))));
        object.extend(config.author.map(|author| ("author".to_owned(), json!(author))));
    }
    let text = to_bytes(&dated(shared, &document)?)?;
    let configuration = lease.add(&mut text.as_slice())?;
    let id = configuration.digest.clone();
    let manifest = assemble::manifest(
        lease,
        configuration.describe(MediaType::ImageConfig)?,
        finished.layers.describe()?,
    )?;
    let mut names: Vec<_> = request.names.iter().map(|name| (Some(name.clone()), manifest.clone())).collect();
    if names.is_empty() {
        names.push((None, manifest.clone()));
    }
    lease.commit(build.scope, &names)?;
    (build.tell)(Event::Built { id: &id.to_string() });
    for name in &request.names {
        (build.tell)(Event::Tagged { name: &name.to_string() });
    }
    Ok(Built { id, manifest: Digest::promised(&manifest)? })
}

/// The configuration with the times of an earlier build that came to the same: so the image stays the same one.
fn dated(shared: &Shared<'_>, document: &Value) -> Result<Value> {
    let mut timeless = document.clone();
    if let Some(object) = timeless.as_object_mut() {
        object.remove("created");
        for step in object.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten() {
            step.as_object_mut().and_then(|step| step.remove("created"));
        }
    }
    let key = Digest::of(&[b"configuration ", to_bytes(&timeless)?.as_slice()].concat());
    let Shared { build, request, lease, clock, .. } = shared;
    if !request.no_cache
        && clock.fixed.is_none()
        && let Some(record) = build.store.record(build.scope, &key, lease)?
    {
        return Ok(record.note);
    }
    let record = Record { blobs: Vec::new(), layers: Vec::new(), note: document.clone() };
    build.store.put_record(build.scope, &key, &record)?;
    Ok(document.clone())
}

fn to_bytes(document: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|error| Error::io("write the image's configuration")(error.into()))
}
