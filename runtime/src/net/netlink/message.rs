//! One message: `struct nlmsghdr`, the header of its family, attributes. Integers of attributes are written as given;
//! whether they go in the host's order or the network's is the family's matter.

use crate::sys::netlink as kernel;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Of `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// Messages and attributes start at multiples of this.
const ALIGNMENT: usize = 4;

/// A message that is being written.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request of this kind with the header of its family.
    pub(crate) fn new(kind: u16, flags: i32, family_header: &[u8]) -> Self {
        let flags = u16::try_from(flags | kernel::NLM_F_REQUEST).unwrap_or_default();
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(family_header);
        Self { bytes }
    }

    /// Adds an attribute.
    pub(crate) fn put(mut self, kind: u16, value: &[u8]) -> Self {
        self.append(kind, value);
        self
    }

    /// Adds an attribute with a text and its zero.
    pub(crate) fn put_text(self, kind: u16, text: &str) -> Self {
        self.put(kind, &[text.as_bytes(), &[0]].concat())
    }

    /// Adds an attribute that holds attributes.
    pub(crate) fn nest(self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        self.nest_behind(kind, &[], fill)
    }

    /// The same, with bytes before the inner attributes.
    pub(crate) fn nest_behind(mut self, kind: u16, before: &[u8], fill: impl FnOnce(Self) -> Self) -> Self {
        let nested = kind | u16::try_from(kernel::NLA_F_NESTED).unwrap_or_default();
        let start = self.bytes.len();
        self.append(nested, before);
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        filled.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    fn append(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    /// Asks for an answer also when all is well.
    pub(super) fn acknowledged(mut self) -> Self {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        let asking = flags | u16::try_from(kernel::NLM_F_ACK).unwrap_or_default();
        self.bytes[6..8].copy_from_slice(&asking.to_ne_bytes());
        self
    }

    /// Its bytes with its length and this number.
    pub(super) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_aligned_and_nested_ones_hold_the_others() {
        let message = Message::new(7, 0, &[9; 4]).nest(1, |inner| inner.put(2, &[5]).put_text(3, "ab"));
        let bytes = message.finish(1);
        assert_eq!(bytes.len(), 16 + 4 + 4 + 8 + 8);
        assert_eq!(bytes[..4], 40u32.to_ne_bytes());
        assert_eq!(bytes[20..24], [20, 0, 1, 0x80]);
        assert_eq!(bytes[24..32], [5, 0, 2, 0, 5, 0, 0, 0]);
        assert_eq!(bytes[32..], [7, 0, 3, 0, b'a', b'b', 0, 0]);
    }
}
