//! Control messages to viewers: JSON, tagged by `type`. A viewer ignores types that it does not know.

use axum::body::Bytes;
use serde::Serialize;

use super::frame;

/// A control message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// Comes first.
    Hello {
        /// Version of the protocol.
        protocol: u32,
        /// The terminal's id.
        terminal: String,
        /// Where output starts.
        offset: u64,
        /// Output below this is replay: answers that xterm.js gives to queries in it must not be sent.
        head: u64,
        /// Bytes that may be unacknowledged.
        window: u64,
        /// Whether this viewer drives.
        driver: bool,
    },
    /// This viewer drives from now on, or no longer does.
    Driver {
        /// Which.
        driver: bool,
    },
    /// The PTY has this size.
    Size {
        /// Lines.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// When the session ends.
    Expiry {
        /// RFC 3339.
        expires_at: String,
        /// From now.
        seconds_left: u64,
        /// Whether the viewer should say so to its person.
        warning: bool,
    },
    /// The program has ended; nothing follows but the close.
    Exit {
        /// What it returned.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Offset after the last byte.
        offset: u64,
    },
    /// The session ends; the close follows.
    Ending {
        /// Why, as in the API.
        reason: String,
    },
    /// A sentence for the person.
    Notice {
        /// The sentence.
        text: String,
    },
}

impl Control {
    /// As a frame.
    pub(super) fn into_frame(self) -> Bytes {
        let mut bytes = vec![frame::CONTROL];
        // Strings and numbers always have a JSON form, and a Vec takes all of it.
        serde_json::to_writer(&mut bytes, &self).unwrap_or_default();
        bytes.into()
    }
}
