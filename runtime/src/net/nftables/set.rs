//! Sets: what rules look up.

use crate::net::netlink::Message;

const CONSTANT: u32 = 0x2;
const CONCATENATED: u32 = 0x80;

/// What kind of set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetKind {
    /// Single keys that never change; more than one field each, in steps of four bytes.
    Fixed,
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
}

impl Set<'_> {
    pub(super) fn write(&self, message: Message, number: u32) -> Message {
        let flags = match self.kind {
            SetKind::Fixed if self.fields.len() > 1 => CONSTANT | CONCATENATED,
            SetKind::Fixed => CONSTANT,
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
        Self { key }
    }

    pub(super) fn write(&self, list: Message) -> Message {
        list.nest(1, |element| element.nest(1, |key| key.put(1, &self.key)))
    }
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}
