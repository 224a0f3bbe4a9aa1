//! The life of serve: what is made at the start, in which order it ends.
//!
//! Everything that needs root happens before this, in one thread; here is only tokio.

mod certificate;
mod connections;
pub mod container;
mod dispatch;
mod entrance;
pub mod local;
pub mod node;
mod open_files;
mod port_key;

use std::io::IsTerminal;
use std::net::TcpListener as StdListener;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use self::certificate::Renewal;
use self::connections::Front;
use self::connections::lanes::Lanes;
use self::dispatch::Dispatch;
use crate::app::{App, CONNECT_WEBSOCKET, TERMINAL_WEBSOCKET};
use crate::config::options::BackendKind;
use crate::config::{Config, limits};
use crate::db::Database;
use crate::dns::Upstream;
use crate::image::Catalog;
use crate::instance::Backend;
use crate::instance::container::Containers;
use crate::instance::images::Images;
use crate::instance::local::Local;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use crate::session::{Parts, Sessions};
use crate::shutdown::Shutdown;
use crate::supervisor::{Link, News};
use crate::tls::{self, Pair, Shown};
use crate::{http, ws};

/// What the start made before there were threads.
#[derive(Debug)]
pub struct Prepared {
    /// The site's listening socket, not blocking.
    pub listener: StdListener,
    /// Makers of images and the guardian, where serve started them: to be reaped when they end.
    pub children: Vec<Child>,
    /// The site's certificate and key; `None` is plain HTTP.
    pub tls: Option<Pair>,
}

/// News that wait for their handling; it never waits for the supervisor, so this is far more than ever stands here.
const NEWS: usize = 4096;
/// The first agreement with the supervisor is awaited so long before the line on stdout.
const FIRST_AGREEMENT: Duration = Duration::from_secs(20);

/// Serves until SIGTERM, SIGINT, or the caller begins the shutdown.
///
/// # Errors
/// When something that serve stands on cannot be made.
pub async fn run(config: Config, prepared: Prepared, shutdown: Shutdown) -> anyhow::Result<()> {
    let Prepared { listener, children, tls } = prepared;
    wait_for(children);
    match open_files::raise() {
        Ok(limit) => tracing::debug!(limit, "descriptors that may be open"),
        Err(error) => tracing::warn!(%error, "raise the limit of open descriptors"),
    }
    let config = Arc::new(config);
    let (sessions, news) = assemble(&config, &shutdown).await?;
    shutdown.spawn(sessions.clone().watch_events(news));
    shutdown.spawn(sessions.clone().watch_expiry());
    shutdown.spawn(sessions.clone().watch_ports());
    if config.backend == BackendKind::Local {
        sessions.reconcile().await;
    }
    sessions.wait_reconciled(FIRST_AGREEMENT).await;
    let listener = TcpListener::from_std(listener).context("use the listening socket")?;
    let address = listener.local_addr()?;
    let app = App { sessions: sessions.clone(), config: Arc::clone(&config), address };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let tls = secured(&sessions, tls, &shutdown)?;
    crate::cli::print_line(&format!("listening on {scheme}://{address}"))?;
    shutdown.spawn_to_end(end_on_signal(shutdown.clone())?);
    let dispatch = Dispatch::new(site(app.clone()), Proxy::new(app));
    shutdown.spawn_below(end_streams(sessions.clone(), shutdown.clone()));
    let lanes = Lanes::new();
    let front = Front { dispatch, config, tls, lanes: lanes.clone() };
    connections::serve(front, listener, &shutdown).await;
    if !shutdown.finish(limits::LAST_WORK_TIME).await {
        tracing::warn!("serve ends with work under way; the next one goes on from the rows");
    }
    drop(lanes);
    sessions.parts().db.close().await;
    Ok(())
}

/// What has ended is reaped at once; what outlives serve is init's.
fn wait_for(children: Vec<Child>) {
    for mut child in children {
        std::thread::spawn(move || match child.wait() {
            Ok(status) if status.success() => tracing::debug!("a program that serve started has ended"),
            Ok(status) => {
                tracing::warn!(%status, "a program that serve started has ended; its own lines say why")
            }
            Err(error) => tracing::error!(%error, "wait for a program that serve started"),
        });
    }
}

async fn assemble(
    config: &Arc<Config>,
    shutdown: &Shutdown,
) -> anyhow::Result<(Sessions, mpsc::Receiver<News>)> {
    let db = Database::open(&config.serve_dir().join("sandlot.db")).await.context("open the database")?;
    let node = node::id(config).context("read or make the node's id")?;
    let port_key = port_key::load(config).context("read or make the key of the ports")?;
    let metrics = Arc::new(Metrics::default());
    let (sender, news) = mpsc::channel(NEWS);
    let (backend, images) = match config.backend {
        BackendKind::Local => (Backend::Local(Local::new(sender, shutdown)?), Images::none_needed()),
        BackendKind::Container => {
            let catalog =
                Catalog::open(&config.state_dir, &config.run_dir).context("open the content store")?;
            let link = Link::open(config.supervisor_socket(), sender, Arc::clone(&metrics), shutdown);
            (Backend::Container(Containers::new(link)), Images::of(catalog))
        }
    };
    let (config, shutdown) = (Arc::clone(config), shutdown.clone());
    let upstream = upstream(&config)?;
    let parts =
        Parts { config, node, db, backend, images: Arc::new(images), upstream, port_key, metrics, shutdown };
    Ok((Sessions::new(parts), news))
}

/// How TLS is spoken, with a certificate that is renewed while serve runs. SIGHUP ends serve only where it would tell
/// that serve's terminal is gone.
fn secured(
    sessions: &Sessions,
    pair: Option<Pair>,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<TlsAcceptor>> {
    let (Some(pair), Some(files)) = (pair, sessions.parts().config.tls.clone()) else {
        if !std::io::stdin().is_terminal() {
            shutdown.spawn(ignore(signal(SignalKind::hangup())?));
        }
        return Ok(None);
    };
    let shown = Arc::new(Shown::new(pair));
    let renewal = Renewal::new(files, Arc::clone(&shown), sessions.parts().backend.clone());
    shutdown.spawn(renewal.watch(signal(SignalKind::hangup())?));
    Ok(Some(TlsAcceptor::from(Arc::new(tls::server_config(shown)?))))
}

async fn ignore(mut signal: Signal) {
    while signal.recv().await.is_some() {
        tracing::info!("SIGHUP: there is no certificate to read again");
    }
}

/// Whom names are asked of, if any session may go out.
fn upstream(config: &Config) -> anyhow::Result<Option<Arc<Upstream>>> {
    if config.way().is_none() {
        return Ok(None);
    }
    let upstream = Upstream::new(config.name_servers.as_deref());
    upstream
        .map(|upstream| Some(Arc::new(upstream)))
        .context("find the host's name servers; name-servers names others")
}

/// The router of every edge.
fn site(app: App) -> Router {
    let sockets = Router::new()
        .route(TERMINAL_WEBSOCKET, get(ws::upgrade))
        .route(CONNECT_WEBSOCKET, get(ws::tunnel::upgrade));
    http::router(app.clone(), sockets).with_state(app)
}

/// Answers of apps may have no end: those that are still on their way then are cut.
async fn end_streams(sessions: Sessions, shutdown: Shutdown) {
    shutdown.begun().await;
    tokio::time::sleep(limits::LAST_STREAM_TIME).await;
    sessions.shut_all_gates();
}

/// Ends serve, never a session, at SIGTERM or SIGINT.
fn end_on_signal(shutdown: Shutdown) -> anyhow::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = shutdown.begun() => {}
        }
        tracing::info!("serve ends; sessions go on");
        shutdown.begin();
    })
}
