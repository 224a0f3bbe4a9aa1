//! `sandlot image build`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, stdout};
use std::path::Path;
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use sandlot_runtime::image::{Image, Platform, Reference, Scope, Store};
use sandlot_runtime::supervisor::client::Client as Supervisor;
use sandlot_runtime::supervisor::protocol::{BuildNetwork, Limits};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::arguments::Build as Arguments;
use super::place::{self, Place};
use super::{pull, registry};
use crate::build::dockerfile::Dockerfile;
use crate::build::progress::{Event, Presenter};
use crate::build::{Build, Built, Context as Files, Request, Secret};
use crate::cli::node_file;
use crate::config::{Config, size};
use crate::image::pull::{Pull, Tell};
use crate::image::unpack_one;
use crate::serve::container::{folders, supervisor};

/// Stages that are built at once.
const AT_ONCE: usize = 2;
/// Largest Dockerfile, and largest secret, in bytes.
const MAX_FILE_BYTES: usize = 1 << 20;
const MAX_SECRET_BYTES: u64 = 512 << 10;
/// Between two looks whether the supervisor has ended.
const LOOK: Duration = Duration::from_millis(2);
/// How long that is awaited.
const END_TIME: Duration = Duration::from_secs(5);
/// Processes of one step.
const PIDS: u32 = 8192;
/// What one step may write, unless said otherwise.
const DISK_BYTES: u64 = 32 << 30;

/// What is opened while the caller's power lasts.
struct Opened {
    context: File,
    dockerfile: Option<Vec<u8>>,
    secrets: BTreeMap<String, Secret>,
    clients: Vec<Supervisor>,
    own: Option<Own>,
}

/// A supervisor that was started for this build, with a connection that keeps it.
type Own = (Supervisor, Child);

/// Builds an image from a Dockerfile.
///
/// # Errors
/// With the first mistake or failure.
pub(super) fn run(config: &Config, what: &Arguments) -> Result<()> {
    let presenter = Presenter::new(stdout(), what.progress == super::arguments::Progress::Json);
    let tell = |event: Event<'_>| {
        if !what.quiet {
            presenter.tell(event);
        }
    };
    let built = run_on(config, what, open(config, what)?, &tell);
    let built = built.inspect_err(|error| presenter.fail(&format!("{error:#}")))?;
    if what.quiet {
        crate::cli::print_line(&built.id.to_string())?;
    }
    Ok(())
}

/// Builds a context that is a tar.
///
/// # Errors
/// As for [`run`].
pub(super) fn from_archive(
    config: &Config,
    what: &Arguments,
    context: File,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Result<()> {
    let (clients, own) = machines(config)?;
    let opened = Opened { context, dockerfile: None, secrets: BTreeMap::new(), clients, own };
    run_on(config, what, opened, tell).map(drop)
}

fn run_on(
    config: &Config,
    what: &Arguments,
    mut opened: Opened,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Result<Built> {
    let credentials = registry::credentials()?;
    let limits = limits(what)?;
    let own = opened.own.take();
    let built = build(config, what, opened, limits, credentials, tell);
    if let Some((client, mut guardian)) = own {
        // The last client: unless somebody else has come meanwhile, the supervisor ends now.
        drop(client);
        let end = Instant::now() + END_TIME;
        while guardian.try_wait()?.is_none() && Instant::now() < end {
            std::thread::sleep(LOOK);
        }
    }
    built
}

fn open(config: &Config, what: &Arguments) -> Result<Opened> {
    let context = place::input(&what.context)?;
    let dockerfile = match what.file.as_deref() {
        Some(path) if path == Path::new("-") && what.context == Path::new("-") => {
            bail!("the Dockerfile and the context cannot both come from standard input")
        }
        Some(path) if path == Path::new("-") || !in_context(path, &what.context) => {
            Some(read(place::input(path)?, MAX_FILE_BYTES as u64)?)
        }
        _ => None,
    };
    let secrets = what.secrets.iter().map(|text| secret(text)).collect::<Result<_>>()?;
    let (clients, own) = machines(config)?;
    Ok(Opened { context, dockerfile, secrets, clients, own })
}

/// Connections to the node's supervisor, or to one that ends with them.
fn machines(config: &Config) -> Result<(Vec<Supervisor>, Option<Own>)> {
    if !geteuid().is_root() {
        bail!("a build starts machines: run it as root");
    }
    folders::make(config)?;
    place::check_node(config)?;
    let (first, guardian) = supervisor::find_or_start(config, supervisor::Life::Temporary)?;
    let clients = (0..AT_ONCE).map(|_| supervisor::connect(config));
    let clients = clients.collect::<Result<Vec<_>, _>>().context("connect to the supervisor")?;
    Ok((clients, guardian.map(|guardian| (first, guardian))))
}

/// A file that is part of the context is read from there, so that it is what the context has.
fn in_context(path: &Path, context: &Path) -> bool {
    context.is_dir() && path.starts_with(context)
}

fn build(
    config: &Config,
    what: &Arguments,
    opened: Opened,
    limits: Limits,
    credentials: crate::registry::Credentials,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Result<Built> {
    let settings = registry::settings(config, credentials)?;
    let mut place = Place::open(config)?;
    let (runtime, client) = registry::client(settings)?;
    let fetch = |reference: &Reference, platform: &Platform| -> Result<Image, String> {
        if let Some(image) = local(&place.store, reference, platform, what.pull) {
            return Ok(image);
        }
        let quiet: Tell = std::sync::Arc::new(|_, _| {});
        let (store, unpack) = (place.store.clone(), Some(pull::unpacker(config)));
        let (client, platform) = (client.clone(), platform.clone());
        let pull = Pull { client, store, scope: Scope::Node, platform, tell: quiet, unpack };
        runtime.block_on(pull.run(reference)).map_err(|error| error.to_string())
    };
    let download = |url: &str| {
        let into = place.store.scratch().map_err(|error| error.to_string())?;
        runtime.block_on(fetch_file(&client, url, into)).map_err(|error| format!("{error:#}"))
    };
    let build = Build {
        store: &place.store,
        scope: &Scope::Node,
        clients: Mutex::new(opened.clients),
        fetch: &fetch,
        download: &download,
        tell,
    };
    let request = request(&place.store, what, opened.context, opened.dockerfile, opened.secrets, limits);
    let built = build.run(&request?)?;
    if let Some(supervisor) = &mut place.supervisor {
        let image = place.store.find(&Scope::Node, built.id.hex())?;
        unpack_one(&place.store, &image, supervisor)?;
    }
    Ok(built)
}

async fn fetch_file(
    client: &crate::registry::Client,
    url: &str,
    into: File,
) -> Result<crate::build::Download> {
    let mut download = client.download(url).await?;
    let mut file = tokio::fs::File::from_std(into);
    while let Some(bytes) = download.chunk().await? {
        file.write_all(&bytes).await?;
    }
    file.rewind().await?;
    let content = file.into_std().await;
    Ok(crate::build::Download { content, changed: download.changed })
}

fn local(store: &Store, reference: &Reference, platform: &Platform, always: bool) -> Option<Image> {
    let image = store.image(&Scope::Node, reference).ok().flatten().filter(|_| !always)?;
    // One for another platform must be fetched.
    let fits = image.configuration.architecture().to_string() == platform.architecture();
    if fits { Some(image) } else { store.image_of(&image.target, platform).ok() }
}

fn request(
    store: &Store,
    what: &Arguments,
    context: File,
    dockerfile: Option<Vec<u8>>,
    secrets: BTreeMap<String, Secret>,
    limits: Limits,
) -> Result<Request> {
    let (mut context, dockerfile) = match dockerfile {
        None if what.context == Path::new("-") && what.file.is_none() => {
            Files::from_stream(store, context, MAX_FILE_BYTES)?
        }
        dockerfile => (Files::from_tar(store, context)?, dockerfile),
    };
    let name = what
        .file
        .as_deref()
        .map_or(Path::new("Dockerfile"), |path| path.strip_prefix(&what.context).unwrap_or(path));
    let name = name.to_string_lossy();
    let text = match dockerfile {
        Some(text) => text,
        None => context
            .read(&name, MAX_FILE_BYTES)?
            .with_context(|| format!("the context has no `{name}`: name another file with -f"))?,
    };
    context.ignore(&name)?;
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        // A name alone takes its value from the environment, as with `docker build`.
        let value = if text.contains('=') { Some(value.to_owned()) } else { std::env::var(name).ok() };
        Some((name.to_owned(), value?))
    };
    let mut arguments: BTreeMap<String, String> = what.build_args.iter().filter_map(pair).collect();
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        arguments.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert(epoch);
    }
    Ok(Request {
        dockerfile: Dockerfile::read(&text)?,
        context,
        names: what.tags.clone(),
        arguments,
        target: what.target.clone(),
        labels: what.labels.iter().filter_map(pair).collect(),
        no_cache: what.no_cache,
        platform: what.platform.clone().unwrap_or_else(Platform::host),
        secrets,
        network: match what.network {
            super::arguments::Network::None => BuildNetwork::None,
            super::arguments::Network::Host => BuildNetwork::Host,
        },
        limits,
    })
}

/// `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`.
fn secret(text: &str) -> Result<(String, Secret)> {
    let option = |name: &str| text.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let id = option("id")
        .with_context(|| format!("secret `{text}`: must be id=NAME,src=FILE or id=NAME,env=NAME"))?;
    let content = match (option("src").or_else(|| option("source")), option("env")) {
        (Some(path), _) => read(place::input(Path::new(path))?, MAX_SECRET_BYTES)?,
        (None, variable) => {
            let name = variable.unwrap_or(id);
            std::env::var(name)
                .with_context(|| format!("secret `{id}`: variable {name} is not set"))?
                .into_bytes()
        }
    };
    Ok((id.to_owned(), Secret(content)))
}

fn read(file: File, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() as u64 <= limit, "a file is longer than {limit} bytes");
    Ok(bytes)
}

fn limits(what: &Arguments) -> Result<Limits> {
    let ceiling = node_file::ceiling()?;
    let memory = what.memory.as_deref().map(|text| size::bytes("memory", text)).transpose()?;
    let cpus = what.cpus.map(|cpus| (cpus * 1000.0) as u32);
    Ok(Limits {
        memory_bytes: memory.unwrap_or(ceiling.memory_bytes).min(ceiling.memory_bytes),
        swap_bytes: 0,
        cpu_millis: cpus.unwrap_or(ceiling.cpu_millis).clamp(10, ceiling.cpu_millis),
        pids: PIDS,
        disk_bytes: DISK_BYTES,
        io_bytes_per_second: None,
    })
}
