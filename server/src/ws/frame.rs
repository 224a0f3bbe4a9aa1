//! Frames of the terminal websocket: one opcode byte, then big-endian integers and bytes. Foreign bytes are parsed here.

use axum::body::Bytes;
use sandlot_runtime::supervisor::protocol::Winsize;

use crate::config::limits;
use crate::terminal::output::Output;

/// Output from an offset on: `u64` offset, bytes.
pub const OUTPUT: u8 = 0x01;
/// Clear, show the bytes, go on at the offset: `u64` offset, bytes.
pub const SNAPSHOT: u8 = 0x02;
/// JSON from the server.
pub const CONTROL: u8 = 0x03;
/// Typed bytes.
pub const INPUT: u8 = 0x11;
/// Everything below is on the screen: `u64` offset.
pub const ACK: u8 = 0x12;
/// The window's size: `u16` rows, `u16` cols.
pub const RESIZE: u8 = 0x13;
/// JSON from the viewer.
pub const VIEWER_CONTROL: u8 = 0x14;

/// Version of the protocol, told in `hello`.
pub const PROTOCOL: u32 = 1;

/// A frame from a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Typed bytes.
    Input(&'a [u8]),
    /// Everything below this offset is on the screen.
    Ack(u64),
    /// The window has this size.
    Resize(Winsize),
    /// Control JSON. This version knows none; unknown ones are ignored.
    Control,
}

/// A frame that the protocol does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No opcode.
    #[error("a frame without an opcode")]
    Empty,
    /// An opcode that no viewer may send.
    #[error("a frame with the unknown opcode {0:#04x}")]
    UnknownOpcode(u8),
    /// Not as long as its opcode says.
    #[error("a frame of opcode {0:#04x} with the wrong length")]
    WrongLength(u8),
    /// Rows or columns that no terminal has.
    #[error("a size outside 1 to 1000 rows and columns")]
    WrongSize,
    /// Control that is no JSON object.
    #[error("a control frame that is no JSON object")]
    WrongControl,
}

/// Parses a frame from a viewer.
///
/// # Errors
/// As [`FrameError`]; the connection is closed then.
pub fn parse(frame: &[u8]) -> Result<Incoming<'_>, FrameError> {
    let (opcode, rest) = frame.split_first().ok_or(FrameError::Empty)?;
    match *opcode {
        INPUT => Ok(Incoming::Input(rest)),
        ACK => parse_offset(rest).map(Incoming::Ack),
        RESIZE => parse_size(rest).map(Incoming::Resize),
        VIEWER_CONTROL => parse_control(rest),
        other => Err(FrameError::UnknownOpcode(other)),
    }
}

fn parse_offset(rest: &[u8]) -> Result<u64, FrameError> {
    rest.try_into().map(u64::from_be_bytes).map_err(|_| FrameError::WrongLength(ACK))
}

fn parse_size(rest: &[u8]) -> Result<Winsize, FrameError> {
    let [a, b, c, d] = <[u8; 4]>::try_from(rest).map_err(|_| FrameError::WrongLength(RESIZE))?;
    let size = Winsize { rows: u16::from_be_bytes([a, b]), cols: u16::from_be_bytes([c, d]) };
    let good = |number: u16| (1..=limits::WINSIZE_MAX).contains(&number);
    if good(size.rows) && good(size.cols) { Ok(size) } else { Err(FrameError::WrongSize) }
}

fn parse_control(rest: &[u8]) -> Result<Incoming<'_>, FrameError> {
    let small = rest.len() <= limits::CONTROL_BYTES;
    match serde_json::from_slice::<serde_json::Value>(rest) {
        Ok(serde_json::Value::Object(_)) if small => Ok(Incoming::Control),
        _ => Err(FrameError::WrongControl),
    }
}

/// A frame of output.
pub(super) fn output(output: Output) -> Bytes {
    let (opcode, offset, bytes) = match output {
        Output::Bytes { offset, bytes } => (OUTPUT, offset, bytes),
        Output::Snapshot { offset, bytes } => (SNAPSHOT, offset, bytes),
    };
    let mut frame = Vec::with_capacity(9 + bytes.len());
    frame.push(opcode);
    frame.extend_from_slice(&offset.to_be_bytes());
    frame.extend_from_slice(&bytes);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Foreign bytes: an answer for all of them, and only well-formed frames pass.
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            match parse(&bytes) {
                Ok(Incoming::Input(input)) => prop_assert_eq!((bytes[0], input), (INPUT, &bytes[1..])),
                Ok(Incoming::Ack(offset)) => prop_assert_eq!(&bytes[1..], offset.to_be_bytes()),
                Ok(Incoming::Resize(size)) => {
                    prop_assert!(bytes.len() == 5 && (1..=1000).contains(&size.rows) && (1..=1000).contains(&size.cols));
                }
                Ok(Incoming::Control) => prop_assert_eq!(bytes[0], VIEWER_CONTROL),
                Err(_) => {}
            }
        }

        #[test]
        fn all_input_bytes_pass(input in prop::collection::vec(any::<u8>(), 0..600)) {
            let frame: Vec<u8> = [INPUT].into_iter().chain(input.iter().copied()).collect();
            prop_assert_eq!(parse(&frame), Ok(Incoming::Input(&input)));
        }
    }

    #[test]
    fn wrong_frames_are_named() {
        assert_eq!(parse(&[]), Err(FrameError::Empty));
        assert_eq!(parse(&[0xff]), Err(FrameError::UnknownOpcode(0xff)));
        assert_eq!(parse(&[OUTPUT]), Err(FrameError::UnknownOpcode(OUTPUT)));
        assert_eq!(parse(&[ACK, 1]), Err(FrameError::WrongLength(ACK)));
        assert_eq!(parse(&[RESIZE, 0, 0, 0, 80]), Err(FrameError::WrongSize));
        assert_eq!(parse(&[RESIZE, 0, 24, 0, 80]), Ok(Incoming::Resize(Winsize { rows: 24, cols: 80 })));
        assert_eq!(parse(b"\x14{\"type\":\"later\"}"), Ok(Incoming::Control));
        assert_eq!(parse(b"\x14later"), Err(FrameError::WrongControl));
    }
}
