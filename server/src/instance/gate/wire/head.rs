//! Heads of requests and answers as they stand on the connection.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};

use super::upload::Upload;
use crate::config::limits;

/// Headers of one answer at most.
const HEADERS: usize = 100;

/// Writes the head of a request. How long its body is follows from the body alone.
pub(super) fn put(request: &Request<Upload>, output: &mut BytesMut) {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    for part in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        output.put_slice(part.as_bytes());
    }
    let headers = request.headers();
    for (name, value) in headers.iter().filter(|(name, _)| !is_framing(name)) {
        put_header(name, value.as_bytes(), output);
    }
    let is_expected = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    match request.body().size() {
        Some(0) if !is_expected && !headers.contains_key(CONTENT_LENGTH) => {}
        Some(size) => put_header(&CONTENT_LENGTH, size.to_string().as_bytes(), output),
        None => put_header(&TRANSFER_ENCODING, b"chunked", output),
    }
    output.put_slice(b"\r\n");
}

fn is_framing(name: &HeaderName) -> bool {
    name == CONTENT_LENGTH || name == TRANSFER_ENCODING
}

fn put_header(name: &HeaderName, value: &[u8], output: &mut BytesMut) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        output.put_slice(part);
    }
}

/// Takes the head of an answer from what has come; `None` while it is not whole.
///
/// # Errors
/// When it is none, or too long.
pub(super) fn take(input: &mut BytesMut) -> io::Result<Option<Response<()>>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let Some(size) = whole(parsed.parse(input), input.len())? else { return Ok(None) };
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(parsed.code.unwrap_or(0)).map_err(io::Error::other)?;
    *answer.version_mut() = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    *answer.headers_mut() = map(parsed.headers)?;
    input.advance(size);
    Ok(Some(answer))
}

/// Takes the headers that follow the last chunk; `None` while they are not whole.
///
/// # Errors
/// As [`take`].
pub(super) fn take_trailers(input: &mut BytesMut) -> io::Result<Option<HeaderMap>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let parsed = httparse::parse_headers(input, &mut headers).map(|status| match status {
        httparse::Status::Complete((size, headers)) => httparse::Status::Complete((size, map(headers))),
        httparse::Status::Partial => httparse::Status::Partial,
    });
    let (size, trailers) = match parsed.map_err(io::Error::other)? {
        httparse::Status::Complete(whole) => whole,
        httparse::Status::Partial => return within_limit(input.len()).map(|()| None),
    };
    input.advance(size);
    trailers.map(Some)
}

fn whole(parsed: httparse::Result<usize>, length: usize) -> io::Result<Option<usize>> {
    match parsed.map_err(io::Error::other)? {
        httparse::Status::Complete(size) => Ok(Some(size)),
        httparse::Status::Partial => within_limit(length).map(|()| None),
    }
}

fn within_limit(length: usize) -> io::Result<()> {
    if length < limits::PORT_HEAD_BYTES { Ok(()) } else { Err(io::Error::other("its head is too long")) }
}

fn map(headers: &[httparse::Header<'_>]) -> io::Result<HeaderMap> {
    // One allocation for all values.
    let mut all = BytesMut::with_capacity(headers.iter().map(|header| header.value.len()).sum());
    headers.iter().for_each(|header| all.put_slice(header.value));
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(io::Error::other)?;
        let value = all.split_to(header.value.len()).freeze();
        map.append(name, HeaderValue::from_maybe_shared(value).map_err(io::Error::other)?);
    }
    Ok(map)
}
