//! Where the body of an answer ends (RFC 9112, sections 6.3 and 7.1).

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Response, StatusCode, Version};

use super::head;

/// The size of a chunk with its extensions.
const CHUNK_HEAD_BYTES: usize = 4096;

/// What is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// So many bytes of a chunk, and then its line end and others.
    Chunk(u64),
    /// The size of a chunk.
    ChunkHead,
    /// Headers after the last chunk.
    Trailers,
    /// Everything until the connection is closed.
    Close,
}

/// What was taken from what has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A piece of the body.
    Piece(Bytes),
    /// Headers after it; the body is at its end.
    Trailers(HeaderMap),
    /// More has to come first.
    Nothing,
}

impl Framing {
    pub(super) const END: Self = Self::Length(0);

    /// Of the answer to a request by `method`; a length beside chunks is taken out of the head.
    ///
    /// # Errors
    /// When the lengths contradict each other.
    pub(super) fn of(method: &Method, answer: &mut Response<()>) -> io::Result<Self> {
        let has_none = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || answer.status().is_informational()
            || *method == Method::HEAD;
        let headers = answer.headers_mut();
        if let Some(coding) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
            let is_chunked = last_word(coding.as_bytes()).eq_ignore_ascii_case(b"chunked");
            headers.remove(CONTENT_LENGTH);
            return Ok(match (has_none, is_chunked) {
                (true, _) => Self::END,
                (false, true) => Self::ChunkHead,
                (false, false) => Self::Close,
            });
        }
        let length = length(headers)?;
        Ok(if has_none { Self::END } else { length.map_or(Self::Close, Self::Length) })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When what has come is no chunk.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> io::Result<Taken> {
        loop {
            match self {
                Self::Length(left) => return Ok(take_some(left, input)),
                Self::Chunk(0) => {
                    let Some(end) = input.get(..2) else { return Ok(Taken::Nothing) };
                    if end != b"\r\n" {
                        return Err(io::Error::other("a chunk without its end"));
                    }
                    input.advance(2);
                    *self = Self::ChunkHead;
                }
                Self::Chunk(left) => return Ok(take_some(left, input)),
                Self::ChunkHead => match take_size(input)? {
                    None => return Ok(Taken::Nothing),
                    Some(0) => *self = Self::Trailers,
                    Some(size) => *self = Self::Chunk(size),
                },
                Self::Trailers => {
                    let Some(trailers) = head::take_trailers(input)? else { return Ok(Taken::Nothing) };
                    *self = Self::END;
                    return Ok(Taken::Trailers(trailers));
                }
                Self::Close if input.is_empty() => return Ok(Taken::Nothing),
                Self::Close => return Ok(Taken::Piece(input.split().freeze())),
            }
        }
    }
}

/// Whether the app keeps the connection after this answer.
pub(super) fn keeps(answer: &Response<()>) -> bool {
    let words = answer.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut words = words.flat_map(|text| text.split(',')).map(str::trim);
    answer.version() == Version::HTTP_11 && !words.any(|word| word.eq_ignore_ascii_case("close"))
}

fn last_word(value: &[u8]) -> &[u8] {
    value.rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii()
}

fn length(headers: &HeaderMap) -> io::Result<Option<u64>> {
    let mut found = None;
    let values = headers.get_all(CONTENT_LENGTH).iter().filter_map(|value| value.to_str().ok());
    for text in values.flat_map(|text| text.split(',')).map(str::trim) {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let length = text.parse::<u64>().ok().filter(|_| is_number);
        let length = length.ok_or_else(|| io::Error::other("no length"))?;
        if found.replace(length).is_some_and(|other| other != length) {
            return Err(io::Error::other("two lengths"));
        }
    }
    Ok(found)
}

fn take_some(left: &mut u64, input: &mut BytesMut) -> Taken {
    let size = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    if size == 0 {
        return Taken::Nothing;
    }
    *left -= size as u64;
    Taken::Piece(input.split_to(size).freeze())
}

fn take_size(input: &mut BytesMut) -> io::Result<Option<u64>> {
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Complete((head, size))) => {
            input.advance(head);
            Ok(Some(size))
        }
        Ok(httparse::Status::Partial) if input.len() < CHUNK_HEAD_BYTES => Ok(None),
        _ => Err(io::Error::other("no size of a chunk")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(head: &str) -> Response<()> {
        head::take(&mut BytesMut::from(head)).unwrap().unwrap()
    }

    fn framing(method: &Method, head: &str) -> io::Result<Framing> {
        Framing::of(method, &mut answer(head))
    }

    #[test]
    fn the_head_tells_where_the_body_ends() {
        let get = |head: &str| framing(&Method::GET, &format!("HTTP/1.1 {head}\r\n\r\n")).ok();
        assert_eq!(get("200 OK\r\ncontent-length: 5"), Some(Framing::Length(5)));
        assert_eq!(get("200 OK\r\ncontent-length: 5, 5"), Some(Framing::Length(5)));
        assert_eq!(get("200 OK"), Some(Framing::Close));
        assert_eq!(get("200 OK\r\ntransfer-encoding: gzip, chunked"), Some(Framing::ChunkHead));
        assert_eq!(get("200 OK\r\ntransfer-encoding: gzip"), Some(Framing::Close));
        assert_eq!(get("204 No Content\r\ntransfer-encoding: chunked"), Some(Framing::END));
        assert_eq!(get("304 Not Modified\r\ncontent-length: 5"), Some(Framing::END));
        for wrong in ["5\r\ncontent-length: 6", "-1", "+5", "5 5", "", "99999999999999999999"] {
            assert_eq!(get(&format!("200 OK\r\ncontent-length: {wrong}")), None, "{wrong}");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(framing(&Method::HEAD, head).ok(), Some(Framing::END));
    }

    #[test]
    fn a_length_beside_chunks_is_dropped() {
        let mut answer = answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(Framing::of(&Method::GET, &mut answer).ok(), Some(Framing::ChunkHead));
        assert!(!answer.headers().contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn a_connection_is_kept_unless_the_app_says_otherwise() {
        for (head, kept) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: keep-alive, Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(keeps(&answer(head)), kept, "{head}");
        }
    }

    /// What is taken when the bytes come in these pieces.
    fn read(mut framing: Framing, pieces: &[&[u8]]) -> io::Result<(Vec<u8>, HeaderMap)> {
        let (mut input, mut body, mut trailers) = (BytesMut::new(), Vec::new(), HeaderMap::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            while framing != Framing::END {
                match framing.take(&mut input)? {
                    Taken::Piece(piece) => body.extend_from_slice(&piece),
                    Taken::Trailers(headers) => trailers = headers,
                    Taken::Nothing => break,
                }
            }
        }
        Ok((body, trailers))
    }

    proptest! {
        #[test]
        fn chunks_come_whole_however_they_are_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cut in 1..30_usize,
        ) {
            let mut sent = Vec::new();
            for chunk in &chunks {
                sent.extend_from_slice(format!("{:X};name=value\r\n", chunk.len()).as_bytes());
                sent.extend_from_slice(chunk);
                sent.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\n");
            let pieces: Vec<&[u8]> = sent.chunks(cut).collect();
            let (body, trailers) = read(Framing::ChunkHead, &pieces).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(&trailers["x-sum"], "1");
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for framing in [Framing::ChunkHead, Framing::Chunk(3), Framing::Trailers, Framing::Length(9)] {
                let taken = read(framing, &[&bytes]).map_or(0, |(body, _)| body.len());
                prop_assert!(taken <= bytes.len());
            }
            head::take(&mut BytesMut::from(bytes.as_slice())).ok();
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for wrong in ["x\r\n", "5\r\nhelloX\r\n", "-1\r\n", "fffffffffffffffff\r\n"] {
            assert!(read(Framing::ChunkHead, &[wrong.as_bytes()]).is_err(), "{wrong}");
        }
        let endless = vec![b'0'; CHUNK_HEAD_BYTES + 1];
        assert!(read(Framing::ChunkHead, &[&endless]).is_err());
    }
}
