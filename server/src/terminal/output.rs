//! What a viewer is sent next, from its own cursor and under its credit. Pure arithmetic and reading; no waiting.

use std::io;

use sandlot_runtime::ring::Ring;

use crate::config::limits;

/// The newest output that a snapshot repeats, at most.
const SNAPSHOT_BYTES: u64 = 64 * 1024;
/// A line longer than this is no reason to leave out more of a snapshot.
const LINE_BYTES: usize = 4096;

/// A piece of output for one viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes from this offset on; follows without gap on what was sent before.
    Bytes {
        /// Offset of the first of them.
        offset: u64,
        /// At least one.
        bytes: Vec<u8>,
    },
    /// What the viewer missed is gone: it clears its terminal, shows these bytes, and goes on at `offset`.
    Snapshot {
        /// Where the stream goes on.
        offset: u64,
        /// The newest output before that.
        bytes: Vec<u8>,
    },
}

/// Position and credit of one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Offset of the next byte to send; only sending moves it.
    sent: u64,
    /// Offset below which the viewer has everything on its screen; only acknowledgements and snapshots move it.
    acknowledged: u64,
    /// What it asked for is not in the ring: the next output is a snapshot.
    lost: bool,
}

/// An acknowledgement of bytes that were not sent, or of fewer than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("acknowledge offset {acknowledged}: only {sent} were sent")]
pub struct WrongAcknowledgement {
    acknowledged: u64,
    sent: u64,
}

impl Cursor {
    /// The cursor of a new viewer that has everything below `resume`, or nothing.
    pub(super) fn start(ring: &Ring, resume: Option<u64>) -> Self {
        let start = resume.unwrap_or(ring.tail());
        let lost = !(ring.tail()..=ring.head()).contains(&start);
        let start = if lost { ring.head() } else { start };
        Self { sent: start, acknowledged: start, lost }
    }

    /// Offset of the next byte to send.
    pub(super) fn sent(self) -> u64 {
        self.sent
    }

    /// Offset below which the viewer has everything.
    pub(super) fn acknowledged(self) -> u64 {
        self.acknowledged
    }

    /// Whether a snapshot comes before anything else.
    pub(super) fn is_lost(self) -> bool {
        self.lost
    }

    /// Whether anything may be sent before the next acknowledgement.
    pub(super) fn has_credit(self) -> bool {
        self.sent - self.acknowledged < limits::VIEWER_WINDOW_BYTES
    }

    /// The viewer has everything below `offset`. A late, lower one changes nothing.
    ///
    /// # Errors
    /// When that much was never sent.
    pub(super) fn acknowledge(&mut self, offset: u64) -> Result<(), WrongAcknowledgement> {
        if offset > self.sent {
            return Err(WrongAcknowledgement { acknowledged: offset, sent: self.sent });
        }
        self.acknowledged = self.acknowledged.max(offset);
        Ok(())
    }

    /// The next piece, where there is one and credit for it.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub(super) fn next(&mut self, ring: &Ring) -> io::Result<Option<Output>> {
        let credit = limits::VIEWER_WINDOW_BYTES.saturating_sub(self.sent - self.acknowledged);
        if credit == 0 {
            return Ok(None);
        }
        if self.lost || self.sent < ring.tail() {
            return self.snapshot(ring).map(Some);
        }
        let length = (ring.head() - self.sent).min(credit).min(limits::OUTPUT_TURN_BYTES as u64);
        if length == 0 {
            return Ok(None);
        }
        let offset = self.sent;
        let bytes = read(ring, offset, length)?;
        self.sent += bytes.len() as u64;
        Ok(Some(Output::Bytes { offset, bytes }))
    }

    fn snapshot(&mut self, ring: &Ring) -> io::Result<Output> {
        let start = ring.tail().max(ring.head().saturating_sub(SNAPSHOT_BYTES));
        let mut bytes = read(ring, start, ring.head() - start)?;
        if start > 0 {
            drop_partial_line(&mut bytes);
        }
        self.lost = false;
        self.sent = ring.head();
        self.acknowledged = ring.head() - bytes.len() as u64;
        Ok(Output::Snapshot { offset: self.sent, bytes })
    }
}

fn read(ring: &Ring, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let count = ring.read_at(offset, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Cuts what comes before the first line break, which may be the rest of an escape sequence.
fn drop_partial_line(bytes: &mut Vec<u8>) {
    let line_end = bytes.iter().take(LINE_BYTES).position(|byte| *byte == b'\n');
    if let Some(end) = line_end {
        bytes.drain(..=end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Print(usize),
        Send,
        Acknowledge,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            prop_oneof![(1..200_000usize).prop_map(Step::Print), Just(Step::Send), Just(Step::Acknowledge)];
        prop::collection::vec(step, 1..60)
    }

    /// The byte at each offset of the test's output.
    fn byte_at(offset: u64) -> u8 {
        u8::try_from(offset % 251).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// However output, sending and acknowledging interleave: no gap, no overlap, right bytes, never above the credit.
        #[test]
        fn a_viewer_gets_every_byte_once_or_a_snapshot(steps in steps()) {
            let mut ring = Ring::create(256 * 1024).unwrap();
            let mut cursor = Cursor::start(&ring, None);
            let mut expected = 0;
            for step in steps {
                match step {
                    Step::Print(count) => {
                        let bytes: Vec<u8> = (ring.head()..ring.head() + count as u64).map(byte_at).collect();
                        ring.append(&bytes).unwrap();
                    }
                    Step::Acknowledge => cursor.acknowledge(expected).unwrap(),
                    Step::Send => match cursor.next(&ring).unwrap() {
                        Some(Output::Bytes { offset, bytes }) => {
                            prop_assert_eq!(offset, expected);
                            prop_assert!(bytes.iter().zip(offset..).all(|(byte, at)| *byte == byte_at(at)));
                            expected += bytes.len() as u64;
                        }
                        Some(Output::Snapshot { offset, bytes }) => {
                            prop_assert!(expected < ring.tail() && offset == ring.head());
                            let start = offset - bytes.len() as u64;
                            prop_assert!(bytes.iter().zip(start..).all(|(byte, at)| *byte == byte_at(at)));
                            expected = offset;
                        }
                        None => {}
                    },
                }
                prop_assert!(cursor.sent() - cursor.acknowledged() <= limits::VIEWER_WINDOW_BYTES);
            }
        }

        #[test]
        fn no_acknowledgement_goes_beyond_what_was_sent(offset in any::<u64>()) {
            let mut ring = Ring::create(1024).unwrap();
            ring.append(b"hello").unwrap();
            let mut cursor = Cursor::start(&ring, None);
            cursor.next(&ring).unwrap();
            prop_assert_eq!(cursor.acknowledge(offset).is_ok(), offset <= 5);
        }
    }

    #[test]
    fn an_offset_that_never_was_gets_a_snapshot() {
        let mut ring = Ring::create(1024).unwrap();
        ring.append(b"hello").unwrap();
        let mut cursor = Cursor::start(&ring, Some(99));
        let expected = Output::Snapshot { offset: 5, bytes: b"hello".to_vec() };
        assert_eq!(cursor.next(&ring).unwrap(), Some(expected));
        assert_eq!(Cursor::start(&ring, Some(3)).sent(), 3);
    }
}
