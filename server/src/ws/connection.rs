//! One viewer's connection, from the upgrade to the close: a receiving and a sending half over one [`Viewer`].
//!
//! Both run in one task. Whichever ends first decides the close; frames are whole whatever the other was doing.

use std::sync::Mutex;
use std::time::Instant;

use axum::extract::ws::WebSocket;
use futures_util::{SinkExt, StreamExt};
use sandlot_runtime::supervisor::protocol::EndReason;
use tokio::sync::watch;

use super::close::{Close, CloseCode};
use super::{receive, send};
use crate::config::limits;
use crate::session::live::Notice;
use crate::session::terminal::Seat;
use crate::shutdown::Shutdown;
use crate::terminal::viewer::Viewer;

/// What the halves share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) viewer: Viewer,
    /// When the peer last sent anything; moved by the receiving half, read by the sending one.
    pub(super) heard_at: Mutex<Instant>,
}

/// Serves a viewer until either side closes.
pub(super) async fn serve(socket: WebSocket, seat: Seat, resume: Option<u64>, shutdown: Shutdown) {
    let (mut sink, mut stream) = socket.split();
    let close = match seat.terminal.attach(resume) {
        Ok(viewer) => {
            let connection = Connection { viewer, heard_at: Mutex::new(Instant::now()) };
            tokio::select! {
                // Input goes before output.
                biased;
                close = receive::run(&mut stream, &connection) => close,
                close = send::run(&mut sink, &connection, seat.notice.clone()) => close,
                close = overdue(&connection, seat.notice) => Some(close),
                () = shutdown.begun() => Some(Close::new(CloseCode::Restart, "The server restarts.")),
            }
        }
        Err(error) => Some(Close::new(CloseCode::TooManyViewers, error.detail())),
    };
    if let Some(close) = close {
        let farewell = async {
            // The peer may be gone already; then there is nobody to tell.
            drop(sink.send(close.into_message()).await);
            while let Some(Ok(_)) = stream.next().await {}
        };
        drop(tokio::time::timeout(limits::CLOSE_TIME, farewell).await);
    }
}

/// Resolves when the sending half should have closed and has not, as the peer does not read.
async fn overdue(connection: &Connection, mut notice: watch::Receiver<Notice>) -> Close {
    let mut status = connection.viewer.watch();
    let own = connection.viewer.id();
    let close = tokio::select! {
        notice = notice.wait_for(|notice| notice.ending.is_some()) => {
            session_close(notice.map_or(EndReason::Closed, |notice| notice.ending.unwrap_or(EndReason::Closed)))
        }
        // The sender lives in the viewer's terminal, so this ends by its condition only.
        _ = status.wait_for(|status| status.stalled == Some(own)) => {
            Close::new(CloseCode::Stalled, "Nothing was acknowledged for 10 s. Connect again.")
        }
    };
    tokio::time::sleep(limits::CLOSE_TIME).await;
    close
}

/// The close of a session that ends for `reason`.
pub(super) fn session_close(reason: EndReason) -> Close {
    match reason {
        EndReason::SupervisorLost => {
            Close::new(CloseCode::SupervisorLost, "The node's supervisor was lost, and this session with it.")
        }
        _ => Close::new(CloseCode::SessionEnded, "The session has ended."),
    }
}
