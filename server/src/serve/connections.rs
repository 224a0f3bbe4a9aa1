//! Connections to the site, with or without TLS: bounded in number, in the time of a handshake and of a request's head,
//! and in the time of their last request.

mod first;
mod handshake;
mod http;
pub(super) mod lanes;
mod redirect;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use self::first::First;
use self::handshake::Opened;
use self::lanes::Lanes;
use super::dispatch::Dispatch;
use super::entrance::Entrance;
use crate::config::{Config, limits};
use crate::shutdown::Shutdown;

/// Wait after a failed accept: the process or the system is out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What every connection leads to; clones share it.
#[derive(Clone)]
pub(super) struct Front {
    /// Site and ports.
    pub(super) dispatch: Dispatch,
    /// The configuration.
    pub(super) config: Arc<Config>,
    /// How TLS is spoken; `None` is plain HTTP.
    pub(super) tls: Option<TlsAcceptor>,
    /// Where connections to ports live.
    pub(super) lanes: Lanes,
}

/// Accepts until the shutdown begins. Requests that are under way then are tracked by it.
pub(super) async fn serve(front: Front, listener: TcpListener, shutdown: &Shutdown) {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        tokio::select! {
            () = shutdown.begun() => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    shutdown.spawn_to_end(begin(front.clone(), stream, peer, shutdown.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

/// Takes a connection to where it is served: one that begins with a request for a port to a lane. Over TLS nobody can
/// tell yet, and a lane would save little.
async fn begin(
    front: Front,
    stream: TcpStream,
    peer: SocketAddr,
    shutdown: Shutdown,
    place: Option<OwnedSemaphorePermit>,
) {
    if front.tls.is_some() {
        return one(front, stream, peer, shutdown).await;
    }
    let first = tokio::select! {
        first = first::request(&stream, front.dispatch.ports()) => first,
        () = shutdown.begun() => return,
    };
    match first {
        First::Site => one(front, stream, peer, shutdown).await,
        First::Port => {
            let (lanes, ends) = (front.lanes.clone(), shutdown.clone());
            let moved = lanes.run(stream, &shutdown, move |stream| async move {
                one(front, stream, peer, ends).await;
                drop(place);
            });
            moved.unwrap_or_else(|error| tracing::warn!(%error, "move a connection"));
        }
        First::None => {}
    }
}

async fn one(front: Front, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    // A keystroke's echo must not wait for more bytes; without it things are slower, not wrong.
    drop(stream.set_nodelay(true));
    let entrance = Entrance::of(&front.config, peer.ip());
    let dispatch = front.dispatch;
    let service = service_fn(move |request| dispatch.clone().answer(entrance.admit(request), peer));
    let ended = match front.tls {
        None => http::speak_1(stream, service, &shutdown).await,
        Some(tls) => match handshake::open(&tls, stream, &shutdown).await {
            Some(Opened::Http1(stream)) => http::speak_1(stream, service, &shutdown).await,
            Some(Opened::Http2(stream)) => http::speak_2(stream, service, &shutdown).await,
            Some(Opened::Plain(stream)) => redirect::answer(stream, &shutdown).await,
            None => Ok(()),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
