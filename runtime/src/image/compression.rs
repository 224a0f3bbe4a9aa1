//! How content is compressed, by its first bytes, and reading it all the same.
//!
//! Layers are not compressed or with gzip or zstd; archives of other programs come with bzip2 and xz, too.
//! eStargz and zstd:chunked are gzip and zstd with more behind or between: they read as plain ones.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::Error;

/// Bytes read at a time.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;
/// A stream may ask for a window of 2^27 bytes (128 MiB) at most, as with the zstd program itself.
const ZSTD_WINDOW_LOG: u32 = 27;
/// A stream may need this much memory, as `xz -9` makes them.
const XZ_MEMORY_KIB: u32 = 68 * 1024;

/// What is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// None.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz (The .xz File Format).
    Xz,
}

impl Compression {
    /// Recognises it by the first bytes, of which four must be there if the content has as many.
    const fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame (RFC 8878, 3.1.2) may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// How a stream is compressed.
    pub(super) fn of_stream(stream: &mut impl BufRead, what: &str) -> Result<Self, Error> {
        let start = stream.fill_buf().map_err(Error::io("read", what))?;
        Ok(Self::of(start))
    }

    /// How a file is compressed; goes back to its beginning.
    pub(super) fn of_file(file: &mut File, what: &str) -> Result<Self, Error> {
        use std::io::Seek;
        let mut magic = Vec::new();
        file.rewind().map_err(Error::io("read", what))?;
        file.take(4).read_to_end(&mut magic).map_err(Error::io("read", what))?;
        file.rewind().map_err(Error::io("read", what))?;
        Ok(Self::of(&magic))
    }
}

/// What a stream holds, uncompressed as it is read.
pub(super) fn uncompressed<'a>(
    from: impl Read + Send + 'a,
    what: &str,
) -> Result<Box<dyn Read + Send + 'a>, Error> {
    let mut from = BufReader::with_capacity(BUFFER_BYTES, from);
    Ok(match Compression::of_stream(&mut from, what)? {
        Compression::None => Box::new(from),
        Compression::Gzip => Box::new(MultiGzDecoder::new(from)),
        Compression::Zstd => Box::new(zstd_reader(from).map_err(Error::io("read", what))?),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(from)),
        Compression::Xz => Box::new(XzReader::new_mem_limit(from, true, XZ_MEMORY_KIB)),
    })
}

fn zstd_reader<R: BufRead>(from: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(from)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

/// Copies a stream in pieces; returns its length.
pub(super) fn copy(from: &mut impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut length = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        each(buffer.get(..read).unwrap_or_default())?;
        length += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        uncompressed(bytes, "a test").unwrap().read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn every_compression_reads_as_what_was_written() {
        let content: Vec<u8> = (0..700_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).unwrap();
        // Members one after the other are one stream (RFC 1952, 2.2), as eStargz writes them.
        let mut two = gzip.finish().unwrap();
        let mut more = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        more.write_all(b"more").unwrap();
        two.extend(more.finish().unwrap());
        assert_eq!(read(&two), [content.as_slice(), b"more"].concat());
        let frame = zstd::encode_all(content.as_slice(), 1).unwrap();
        assert_eq!(read(&frame), content);
        // zstd:chunked ends with a skippable frame.
        let chunked = [frame.as_slice(), &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &frame].concat();
        assert_eq!(read(&chunked), [content.as_slice(), &content].concat());
        assert_eq!(read(&content), content);
        assert!(read(b"").is_empty());
    }

    #[test]
    fn archives_of_other_programs_read_as_well() {
        // `printf content | bzip2`, `printf content | xz`
        let bzip2 = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x23\x0d\xca\xfd\x00\x00\x00\x01\x80\x0a\x01\x84\x00\x20\x00\x21\x83\x41\x9a\x01\x53\x0b\x8b\xb9\x22\x9c\x28\x48\x11\x86\xe5\x7e\x80";
        assert_eq!(read(bzip2), b"content");
        let xz = b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\x01\x00\x06\x63\x6f\x6e\x74\x65\x6e\x74\x00\x00\xdc\x8d\x35\x22\xff\xc1\x47\x7b\x00\x01\x1f\x07\x16\x2e\xb8\x73\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a";
        assert_eq!(read(xz), b"content");
    }
}
