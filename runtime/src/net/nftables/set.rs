//! Sets: what rules look up.

use std::time::Duration;

use crate::net::netlink::Message;

const CONSTANT: u32 = 0x2;
const INTERVAL: u32 = 0x4;
const TIMEOUT: u32 = 0x10;
const CONCATENATED: u32 = 0x80;
/// Of an element: the first key behind an interval.
const INTERVAL_END: u32 = 0x1;

/// What kind of set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetKind {
    /// Single keys that never change; more than one field each, in steps of four bytes.
    Fixed,
    /// Ranges.
    Ranges,
    /// Single keys that go when their time is over.
    Fading,
}

/// A field of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Name of an interface.
    Interface,
    /// Hardware address.
    Mac,
    /// IPv4 address.
    V4,
    /// IPv6 address.
    V6,
}

impl Key {
    /// Its length in bytes.
    fn length(self) -> usize {
        match self {
            Self::Interface | Self::V6 => 16,
            Self::Mac => 6,
            Self::V4 => 4,
        }
    }

    /// The number by which nft(8) knows how to show it.
    fn number(self) -> u32 {
        match self {
            Self::V4 => 7,
            Self::V6 => 8,
            Self::Mac => 9,
            Self::Interface => 41,
        }
    }
}

/// A set.
#[derive(Debug)]
pub(crate) struct Set<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it holds.
    pub(crate) kind: SetKind,
    /// Fields of a key.
    pub(crate) fields: &'a [Key],
    /// What is in it from the start.
    pub(crate) elements: Vec<Element>,
}

/// Something in a set.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    key: Vec<u8>,
    flags: u32,
    timeout: Option<Duration>,
}

impl Set<'_> {
    pub(super) fn write(&self, message: Message, number: u32) -> Message {
        let flags = match self.kind {
            SetKind::Fixed if self.fields.len() > 1 => CONSTANT | CONCATENATED,
            SetKind::Fixed => CONSTANT,
            SetKind::Ranges => INTERVAL,
            SetKind::Fading => TIMEOUT,
        };
        let lengths = self.fields.iter().map(|field| field.length().next_multiple_of(4));
        let length: usize = lengths.clone().sum();
        let number_of_type = self.fields.iter().fold(0, |number, field| number << 6 | field.number());
        let message = message
            .put_text(2, self.name)
            .put(3, &flags.to_be_bytes())
            .put(4, &number_of_type.to_be_bytes())
            .put(5, &word(length))
            .put(10, &number.to_be_bytes());
        message.nest(9, |description| {
            if flags & CONCATENATED == 0 {
                return description;
            }
            description.nest(2, |fields| {
                lengths.fold(fields, |fields, length| fields.nest(1, |field| field.put(1, &word(length))))
            })
        })
    }
}

impl Element {
    /// A key, its fields one behind the other, each filled up to four bytes.
    pub(crate) fn new(fields: &[&[u8]]) -> Self {
        let mut key = Vec::new();
        for field in fields {
            key.extend_from_slice(field);
            key.resize(key.len().next_multiple_of(4), 0);
        }
        Self { key, flags: 0, timeout: None }
    }

    /// One that goes after this time.
    pub(crate) fn fading(key: &[u8], time: Duration) -> Self {
        Self { timeout: Some(time), ..Self::new(&[key]) }
    }

    /// Both ends of a range; `last` belongs to it. Ranges of one set must not meet.
    pub(crate) fn range(first: &[u8], last: &[u8]) -> Vec<Self> {
        let mut both = vec![Self::new(&[first])];
        // A range up to the very last key has no end.
        both.extend(next(last).map(|end| Self { flags: INTERVAL_END, ..Self::new(&[&end]) }));
        both
    }

    /// Its key alone.
    pub(super) fn write_key(&self, list: Message) -> Message {
        list.nest(1, |element| element.nest(1, |key| key.put(1, &self.key)))
    }

    pub(super) fn write(&self, list: Message) -> Message {
        list.nest(1, |element| {
            let element = element.nest(1, |key| key.put(1, &self.key));
            let element = match self.flags {
                0 => element,
                flags => element.put(3, &flags.to_be_bytes()),
            };
            match self.timeout {
                Some(time) => {
                    element.put(4, &u64::try_from(time.as_millis()).unwrap_or(u64::MAX).to_be_bytes())
                }
                None => element,
            }
        })
    }
}

/// The key behind this one, as a number in the network's order.
fn next(key: &[u8]) -> Option<Vec<u8>> {
    let mut next = key.to_vec();
    for byte in next.iter_mut().rev() {
        (*byte, _) = byte.overflowing_add(1);
        if *byte != 0 {
            return Some(next);
        }
    }
    None
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_behind_the_last_one_is_none() {
        assert_eq!(next(&[1, 255, 255]), Some(vec![2, 0, 0]));
        assert_eq!(next(&[255, 255]), None);
    }
}
