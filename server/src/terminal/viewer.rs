//! A viewer's hold on a terminal: what it types, acknowledges and is sent. The websocket's two halves share one.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use sandlot_runtime::supervisor::protocol::Winsize;
use tokio::sync::{Notify, watch};

use super::output::{Cursor, Output, WrongAcknowledgement};
use super::{Driver, Status, Terminal, ViewerId};
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};

/// One viewer. Dropping it detaches.
#[derive(Debug)]
pub struct Viewer {
    terminal: Arc<Terminal>,
    id: ViewerId,
    cursor: Mutex<Cursor>,
    /// Wakes the sending half when credit came.
    credit: Notify,
    /// Offset after the newest byte when it was attached: what is below is replay.
    head_at_start: u64,
}

impl Terminal {
    /// Attaches a viewer that has everything below `resume`, or nothing. The first one becomes the driver.
    ///
    /// # Errors
    /// When the terminal has as many viewers as it may.
    pub fn attach(self: &Arc<Self>, resume: Option<u64>) -> Result<Viewer> {
        let mut state = self.lock();
        if state.viewers.len() >= limits::VIEWERS_PER_TERMINAL {
            return Err(Error::new(ErrorKind::Full, "This terminal has as many viewers as it may."));
        }
        let id = ViewerId(state.next_viewer);
        state.next_viewer += 1;
        state.viewers.insert(id, None);
        let cursor = Cursor::start(&state.ring, resume);
        if state.driver.is_none() {
            let acknowledged = cursor.acknowledged();
            self.set_driver(&mut state, Some(Driver { viewer: id, acknowledged, held_since: None }));
        }
        let head_at_start = state.ring.head();
        drop(state);
        self.metrics.viewers.add(1);
        Ok(Viewer {
            terminal: Arc::clone(self),
            id,
            cursor: Mutex::new(cursor),
            credit: Notify::new(),
            head_at_start,
        })
    }
}

impl Viewer {
    /// Its number.
    pub fn id(&self) -> ViewerId {
        self.id
    }

    /// The terminal.
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.terminal
    }

    /// Where its output starts.
    pub fn start(&self) -> u64 {
        self.cursor().sent()
    }

    /// Below this offset output is replay: queries in it were answered long ago.
    pub fn head_at_start(&self) -> u64 {
        self.head_at_start
    }

    /// Changes of the terminal.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.terminal.status.subscribe()
    }

    /// Resolves once credit may have come.
    pub async fn credited(&self) {
        self.credit.notified().await;
    }

    /// The next piece of output, where there is one and credit for it.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub fn next_output(&self) -> io::Result<Option<Output>> {
        let state = self.terminal.lock();
        let mut cursor = self.cursor();
        let output = cursor.next(&state.ring)?;
        let jumped = matches!(output, Some(Output::Snapshot { .. }));
        let acknowledged = cursor.acknowledged();
        drop(cursor);
        if jumped {
            self.note_acknowledged(state, acknowledged);
        }
        Ok(output)
    }

    /// Whether it was sent everything up to `offset`.
    pub fn has_all_below(&self, offset: u64) -> bool {
        let cursor = self.cursor();
        cursor.sent() >= offset && !cursor.is_lost()
    }

    /// The viewer has everything below `offset` on its screen.
    ///
    /// # Errors
    /// When that much was never sent.
    pub fn acknowledge(&self, offset: u64) -> std::result::Result<(), WrongAcknowledgement> {
        let state = self.terminal.lock();
        let mut cursor = self.cursor();
        let was_held = !cursor.has_credit();
        cursor.acknowledge(offset)?;
        let acknowledged = cursor.acknowledged();
        drop(cursor);
        self.note_acknowledged(state, acknowledged);
        // A sender that has credit waits for output, not for this.
        if was_held {
            self.credit.notify_one();
        }
        Ok(())
    }

    fn note_acknowledged(&self, mut state: std::sync::MutexGuard<'_, super::State>, acknowledged: u64) {
        // Only a pump that may not read waits for credit; waking it at each acknowledgement would cost a flood dearly.
        let was_held = state.readable_bytes() == 0;
        if let Some(driver) = state.driver.as_mut().filter(|driver| driver.viewer == self.id) {
            driver.acknowledged = driver.acknowledged.max(acknowledged);
            driver.held_since = None;
            if was_held {
                self.terminal.wake.notify_one();
            }
        }
    }

    /// Types. Whoever types drives. Waits while more than the queue may hold stands before a program that does not read.
    pub async fn input(&self, bytes: &[u8]) {
        loop {
            let room = self.terminal.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.try_input(bytes) {
                return;
            }
            room.await;
        }
    }

    fn try_input(&self, bytes: &[u8]) -> bool {
        let mut state = self.terminal.lock();
        let Some(ptmx) = state.ptmx.clone() else { return true };
        if state.input.is_full() {
            return false;
        }
        self.drive(&mut state);
        self.terminal.metrics.terminal_input.add(bytes.len() as u64);
        if let Err(error) = state.input.write(ptmx.get_ref().as_fd(), bytes) {
            tracing::debug!(terminal = %self.terminal.id, %error, "write to a terminal");
        }
        if !state.input.is_empty() {
            self.terminal.wake.notify_one();
        }
        true
    }

    fn drive(&self, state: &mut super::State) {
        if state.driver.is_some_and(|driver| driver.viewer == self.id)
            || !state.viewers.contains_key(&self.id)
        {
            return;
        }
        let acknowledged = self.cursor().acknowledged();
        self.terminal.set_driver(state, Some(Driver { viewer: self.id, acknowledged, held_since: None }));
        if let Some(Some(size)) = state.viewers.get(&self.id).copied() {
            self.terminal.apply_size(state, size);
        }
    }

    /// The viewer's window has this size. It counts while the viewer drives.
    pub fn resize(&self, size: Winsize) {
        let mut state = self.terminal.lock();
        let Some(own) = state.viewers.get_mut(&self.id) else { return };
        *own = Some(size);
        if state.driver.is_none_or(|driver| driver.viewer == self.id) {
            self.terminal.apply_size(&state, size);
        }
    }

    /// Lock order: the terminal's state first, then the cursor.
    fn cursor(&self) -> std::sync::MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut state = self.terminal.lock();
        state.viewers.remove(&self.id);
        if state.driver.is_some_and(|driver| driver.viewer == self.id) {
            self.terminal.set_driver(&mut state, None);
        }
        drop(state);
        self.terminal.metrics.viewers.sub(1);
    }
}
