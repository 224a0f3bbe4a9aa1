//! The binary form of D-Bus messages (D-Bus specification, "Marshaling"): what is written by us, and what is read of
//! foreign bytes, which are bounded and never trusted.

/// Longest message that is read; replies to our calls are short.
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Number32(u32),
    Signed32(i32),
    Number64(u64),
    Signed64(i64),
    Text(String),
    Texts(Vec<String>),
    Numbers32(Vec<u32>),
    Bytes(Vec<u8>),
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::Number32(_) => "u",
            Self::Signed32(_) => "i",
            Self::Number64(_) => "t",
            Self::Signed64(_) => "x",
            Self::Text(_) => "s",
            Self::Texts(_) => "as",
            Self::Numbers32(_) => "au",
            Self::Bytes(_) => "ay",
        }
    }
}

/// A body or header that is being written, in little endian.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn number32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.number32(u32::from(value));
    }

    pub(super) fn text(&mut self, value: &str) {
        self.number32(length(value.len()));
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    pub(super) fn signature(&mut self, value: &str) {
        self.bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    /// An array whose elements are aligned to `to`.
    pub(super) fn array(&mut self, to: usize, write: impl FnOnce(&mut Self)) {
        self.number32(0);
        let at = self.bytes.len() - 4;
        self.align(to);
        let start = self.bytes.len();
        write(self);
        let size = length(self.bytes.len() - start).to_le_bytes();
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&size);
        }
    }

    pub(super) fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Bool(value) => self.bool(*value),
            Value::Number32(value) => self.number32(*value),
            Value::Signed32(value) => self.number32(value.cast_unsigned()),
            Value::Number64(value) => self.number64(*value),
            Value::Signed64(value) => self.number64(value.cast_unsigned()),
            Value::Text(value) => self.text(value),
            Value::Texts(list) => self.array(4, |to| list.iter().for_each(|text| to.text(text))),
            Value::Numbers32(list) => self.array(4, |to| list.iter().for_each(|number| to.number32(*number))),
            Value::Bytes(list) => self.array(1, |to| to.bytes.extend(list)),
        }
    }

    fn number64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_le_bytes());
    }
}

/// Our messages are far shorter than the protocol's bound.
fn length(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Foreign bytes that are being read. Everything gives `None` when they end too soon or are no value.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], big_endian: bool) -> Self {
        Self { bytes, at: 0, big_endian }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn number32(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let count = usize::try_from(self.number32()?).ok()?;
        let text = std::str::from_utf8(self.take(count)?).ok()?;
        (self.byte()? == 0).then_some(text)
    }

    pub(super) fn signature(&mut self) -> Option<&'a str> {
        let count = usize::from(self.byte()?);
        let text = std::str::from_utf8(self.take(count)?).ok()?;
        (self.byte()? == 0).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrays_know_their_length_and_alignment() {
        let mut writer = Writer::default();
        writer.array(8, |to| {
            to.align(8);
            to.text("a");
            to.variant(&Value::Number64(7));
        });
        let bytes = writer.into_bytes();
        assert_eq!(bytes[..4], [24, 0, 0, 0]);
        assert_eq!(bytes.len(), 32);
        let mut reader = Reader::new(&bytes, false);
        assert_eq!(reader.number32(), Some(24));
        reader.align(8);
        assert_eq!((reader.text(), reader.signature()), (Some("a"), Some("t")));
    }

    proptest! {
        /// Foreign bytes never panic.
        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>, big: bool) {
            let mut reader = Reader::new(&bytes, big);
            let (_, _, _) = (reader.text(), reader.signature(), reader.number32());
        }
    }
}
