//! Telling a tar from other streams, compressed or not.

use std::io::{Cursor, Read};

use super::Error;
use super::compression::uncompressed;

const HEADER_BYTES: u64 = 512;
/// Where a header keeps its checksum, which counts as blanks (POSIX, ustar).
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The uncompressed tar that a stream holds; `None` when it holds something else.
///
/// # Errors
/// When it cannot be read.
pub fn open_tar<'a>(from: impl Read + Send + 'a) -> Result<Option<Box<dyn Read + Send + 'a>>, Error> {
    let what = "an archive";
    let mut stream = uncompressed(from, what)?;
    let mut start = Vec::new();
    match (&mut stream).take(HEADER_BYTES).read_to_end(&mut start) {
        // What only looks compressed is no archive.
        Err(_) => return Ok(None),
        Ok(_) if !is_header(&start) => return Ok(None),
        Ok(_) => {}
    }
    Ok(Some(Box::new(Cursor::new(start).chain(stream))))
}

fn is_header(bytes: &[u8]) -> bool {
    let mut header = tar::Header::new_old();
    if bytes.len() != header.as_bytes().len() {
        return false;
    }
    header.as_mut_bytes().copy_from_slice(bytes);
    let counted = |(at, byte): (usize, &u8)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { *byte });
    let sum: u32 = bytes.iter().enumerate().map(counted).sum();
    header.cksum().is_ok_and(|found| found == sum)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        open_tar(bytes).unwrap()?.read_to_end(&mut content).unwrap();
        Some(content)
    }

    #[test]
    fn a_tar_is_told_from_other_streams() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        tar.append_data(&mut header, "a", &b"hello"[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        assert_eq!(read(&tar).unwrap(), tar);
        assert_eq!(read(&gzip.finish().unwrap()).unwrap(), tar);
        let mut text = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        text.write_all(&[b'x'; 600]).unwrap();
        for other in
            [text.finish().unwrap().as_slice(), b"", b"short", &[0; 1024], &[0x1f, 0x8b, 9, 9, 9], b"BZh91AY"]
        {
            assert!(read(other).is_none());
        }
    }
}
