//! Why the server closes a viewer's connection. The one table of close codes.

use axum::extract::ws::{CloseFrame, Message};

/// A close code of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The session has ended.
    SessionEnded = 4000,
    /// The terminal's program has ended, and everything it wrote was sent.
    TerminalEnded = 4001,
    /// The proof behind the connection no longer holds.
    NoLongerValid = 4002,
    /// The viewer sent what the protocol does not have.
    ProtocolError = 4003,
    /// The viewer drove, and acknowledged nothing for ten seconds.
    Stalled = 4004,
    /// The terminal has as many viewers as it may.
    TooManyViewers = 4005,
    /// The node's supervisor was lost, and with it the session.
    SupervisorLost = 4006,
    /// A frame was too big.
    TooBig = 1009,
    /// Something failed in serve.
    Failed = 1011,
    /// Serve restarts; connect again with the offset.
    Restart = 1012,
}

impl CloseCode {
    /// Every code, for documentation and tests.
    pub const ALL: [Self; 10] = [
        Self::SessionEnded,
        Self::TerminalEnded,
        Self::NoLongerValid,
        Self::ProtocolError,
        Self::Stalled,
        Self::TooManyViewers,
        Self::SupervisorLost,
        Self::TooBig,
        Self::Failed,
        Self::Restart,
    ];

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }
}

/// A close with its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: CloseCode,
    /// At most 123 bytes, as the websocket protocol has it.
    pub reason: String,
}

impl Close {
    /// A close.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        while reason.len() > 123 {
            reason.pop();
        }
        Self { code, reason }
    }

    pub(super) fn into_message(self) -> Message {
        Message::Close(Some(CloseFrame { code: self.code.number(), reason: self.reason.into() }))
    }
}
