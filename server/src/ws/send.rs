//! The sending half: output under credit, control messages, pings.

use std::sync::PoisonError;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::close::{Close, CloseCode};
use super::connection::{Connection, session_close};
use super::control::Control;
use super::frame;
use crate::clock::UnixMillis;
use crate::config::limits;
use crate::db::session::reason_text;
use crate::session::live::Notice;
use crate::terminal::Status;

/// The network is gone; there is nobody to send a close to.
struct Gone;

struct Sender<'a> {
    sink: &'a mut SplitSink<WebSocket, Message>,
    connection: &'a Connection,
    notice: watch::Receiver<Notice>,
    status: watch::Receiver<Status>,
    /// What the viewer was told last.
    told_notice: Option<Notice>,
    told_status: Option<Status>,
}

/// Sends until the viewer is gone (`None`) or must be closed.
pub(super) async fn run(
    sink: &mut SplitSink<WebSocket, Message>,
    connection: &Connection,
    notice: watch::Receiver<Notice>,
) -> Option<Close> {
    let status = connection.viewer.watch();
    let mut sender = Sender { sink, connection, notice, status, told_notice: None, told_status: None };
    sender.run().await.unwrap_or(None)
}

impl Sender<'_> {
    async fn run(&mut self) -> Result<Option<Close>, Gone> {
        self.greet().await?;
        let mut pings = interval_at(Instant::now() + limits::PING_EVERY, limits::PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(close) = self.send_news().await? {
                return Ok(Some(close));
            }
            tokio::select! {
                changed = self.status.changed() => changed.map_err(|_| Gone)?,
                changed = self.notice.changed() => changed.map_err(|_| Gone)?,
                () = self.connection.viewer.credited() => {}
                _ = pings.tick() => self.ping().await?,
            }
        }
    }

    async fn greet(&mut self) -> Result<(), Gone> {
        let viewer = &self.connection.viewer;
        let status = *self.status.borrow();
        let hello = Control::Hello {
            protocol: frame::PROTOCOL,
            terminal: viewer.terminal().id().to_string(),
            offset: viewer.start(),
            head: viewer.head_at_start(),
            window: limits::VIEWER_WINDOW_BYTES,
            driver: status.driver == Some(viewer.id()),
        };
        self.told_status = Some(status);
        self.send(hello.into_frame()).await?;
        if status.size.rows > 0 {
            self.send(Control::Size { rows: status.size.rows, cols: status.size.cols }.into_frame()).await?;
        }
        Ok(())
    }

    /// Sends whatever is there to be sent. The end of the session and of the terminal come after the output.
    async fn send_news(&mut self) -> Result<Option<Close>, Gone> {
        let status = *self.status.borrow_and_update();
        let notice = *self.notice.borrow_and_update();
        if let Some(close) = self.send_output().await? {
            return Ok(Some(close));
        }
        self.send_status(status).await?;
        self.send_notice(notice).await?;
        if let Some(reason) = notice.ending {
            self.send(Control::Ending { reason: reason_text(reason).to_owned() }.into_frame()).await?;
            return Ok(Some(session_close(reason)));
        }
        if status.stalled == Some(self.connection.viewer.id()) {
            return Ok(Some(Close::new(
                CloseCode::Stalled,
                "Nothing was acknowledged for 10 s. Connect again.",
            )));
        }
        self.send_exit(status).await
    }

    async fn send_output(&mut self) -> Result<Option<Close>, Gone> {
        loop {
            match self.connection.viewer.next_output() {
                Ok(Some(output)) => self.send(frame::output(output)).await?,
                Ok(None) => return Ok(None),
                Err(error) => {
                    let terminal = self.connection.viewer.terminal().id();
                    tracing::error!(%terminal, %error, "read a terminal's ring");
                    return Ok(Some(Close::new(CloseCode::Failed, "The terminal's output cannot be read.")));
                }
            }
        }
    }

    async fn send_status(&mut self, status: Status) -> Result<(), Gone> {
        let told = self.told_status.replace(status);
        let drives = |status: Status| status.driver == Some(self.connection.viewer.id());
        let (was, is) = (told.map(drives), drives(status));
        if was != Some(is) {
            self.send(Control::Driver { driver: is }.into_frame()).await?;
        }
        if told.map(|told| told.size) != Some(status.size) {
            self.send(Control::Size { rows: status.size.rows, cols: status.size.cols }.into_frame()).await?;
        }
        Ok(())
    }

    async fn send_notice(&mut self, notice: Notice) -> Result<(), Gone> {
        let told = self.told_notice.replace(notice);
        let moved = told.map(|told| told.expires_at) != Some(notice.expires_at);
        let warning = told.map_or(notice.warnings > 0, |told| notice.warnings > told.warnings);
        if moved || warning {
            let seconds_left = notice.expires_at.since(UnixMillis::now()).as_secs();
            let expires_at = notice.expires_at.to_rfc3339();
            self.send(Control::Expiry { expires_at, seconds_left, warning }.into_frame()).await?;
        }
        if told.is_some_and(|told| notice.out_of_memory > told.out_of_memory) {
            let text = "A process was ended: the memory limit of the machine was reached.".to_owned();
            self.send(Control::Notice { text }.into_frame()).await?;
        }
        Ok(())
    }

    async fn send_exit(&mut self, status: Status) -> Result<Option<Close>, Gone> {
        let Some(exit) = status.exit.filter(|exit| self.connection.viewer.has_all_below(exit.offset)) else {
            return Ok(None);
        };
        let (code, signal) = (exit.status.code, exit.status.signal);
        self.send(Control::Exit { code, signal, offset: exit.offset }.into_frame()).await?;
        Ok(Some(Close::new(CloseCode::TerminalEnded, "The program has ended.")))
    }

    /// Asks whether the peer is there; one that has been silent for long is not.
    async fn ping(&mut self) -> Result<(), Gone> {
        let silent = self.connection.heard_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if silent > 3 * limits::PING_EVERY {
            return Err(Gone);
        }
        self.sink.send(Message::Ping(Bytes::new())).await.map_err(|_| Gone)
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), Gone> {
        self.sink.send(Message::Binary(frame)).await.map_err(|_| Gone)
    }
}
