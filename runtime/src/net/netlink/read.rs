//! Attributes of what the kernel tells.

/// The value of the first attribute of this kind.
pub(crate) fn attribute(list: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(list).find(|(own, _)| *own == kind).map(|(_, value)| value)
}

/// Kind and value of each.
pub(crate) fn attributes(mut list: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(list.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(list.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = list.get(4..length)?;
        list = list.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A text with its zero.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_are_cut_off_end_early() {
        let list = [5, 0, 1, 0, b'a', 0, 0, 0, 8, 0, 2, 0x80, 1, 2, 3, 4];
        assert_eq!(attribute(&list, 1), Some(&b"a"[..]));
        assert_eq!(attribute(&list, 2), Some(&[1, 2, 3, 4][..]));
        assert_eq!(attributes(&list[..14]).count(), 1);
        assert_eq!(attribute(&[0, 0, 1, 0], 1), None);
    }
}
