//! TCP connections to HTTP: bounded in number, in the time of a request's head, and in the time of their last request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::config::limits;
use crate::shutdown::Shutdown;

/// Wait after a failed accept: the process or the system is out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Accepts until the shutdown begins. Requests that are under way then are tracked by it.
pub(super) async fn serve(router: Router, listener: TcpListener, shutdown: &Shutdown) {
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
                    let connection = one(router.clone(), stream, peer, shutdown.clone());
                    shutdown.spawn_to_end(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

async fn one(router: Router, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    // A keystroke's echo must not wait for more bytes; without it things are slower, not wrong.
    drop(stream.set_nodelay(true));
    let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
