//! Reading tars: POSIX.1-2008 pax, ustar, GNU's forms and the oldest one, as streams.
//!
//! The crate that writes our tars reads them, too, but takes a newline inside of a PAX record for its end: a file's
//! capabilities can hold one, and what follows it would count as a record. So every tar from outside is read here:
//!
//! ```text
//! header blocks ─ number ─┐
//! PAX records ── records ─┼─> Member, then its content, with holes where the file was sparse (map)
//! GNU long names ─────────┘
//! ```
//!
//! Where forms contradict each other, what Go's archive/tar makes of it counts, since Docker reads images with it.

mod map;
mod member;
mod number;
mod records;

use std::io::{self, Read, Seek, SeekFrom};

use self::map::{Map, Piece};
pub use self::member::Member;
use self::member::{Extra, Head};
pub use self::records::Record;

const BLOCK_BYTES: usize = 512;
/// Longest name or set of records of one member.
const MAX_EXTRA_BYTES: u64 = 1 << 20;

type Block = [u8; BLOCK_BYTES];

/// A tar that is read from its beginning, member by member.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    skip: fn(&mut R, u64) -> io::Result<()>,
    /// Bytes of the archive that were read or left out.
    at: u64,
    /// Bytes of the member's content that the archive still holds.
    left: u64,
    /// Bytes that fill the content's last block.
    padding: u64,
    map: Map,
}

impl<R: Read> Reader<R> {
    /// Reads from a stream.
    pub fn new(from: R) -> Self {
        Self { from, skip: read_over, at: 0, left: 0, padding: 0, map: Map::default() }
    }

    /// The next member; what is left of the last one's content is passed over. `None` at the end of the archive.
    ///
    /// # Errors
    /// When the archive cannot be read, ends in the middle of a member, or is none.
    pub fn next_member(&mut self) -> io::Result<Option<Member>> {
        let mut extra = Extra::default();
        loop {
            self.pass(self.left + self.padding)?;
            (self.left, self.padding) = (0, 0);
            let Some(block) = self.header_block()? else { return Ok(None) };
            let head = Head::read(&block)?;
            self.expect(head.size);
            match head.kind_byte {
                b'x' => extra.records = records::parse(&self.whole()?)?,
                b'L' => extra.name = Some(until_zero(self.whole()?)),
                b'K' => extra.link = Some(until_zero(self.whole()?)),
                // Of what holds for a whole archive nothing is about files.
                b'g' => {}
                _ => return self.member(&block, head, extra).map(Some),
            }
        }
    }

    /// Content of the member, holes as zeros.
    pub fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    /// Where the content of the member begins in the archive, in bytes.
    pub const fn content_at(&self) -> u64 {
        self.at
    }

    /// What is behind the part that was read.
    pub fn into_inner(self) -> R {
        self.from
    }

    fn member(&mut self, block: &Block, head: Head, extra: Extra) -> io::Result<Member> {
        let sparse = map::Source::of(head.kind_byte, &extra.records)?;
        let member = Member::new(head, extra)?;
        self.expect(if member.has_content() { member.length } else { 0 });
        let pieces = match sparse {
            None => None,
            Some(source) => Some(self.pieces(source, block)?),
        };
        let Some((length, pieces)) = pieces else {
            self.map = Map::plain(self.left);
            return Ok(member);
        };
        self.map = Map::new(length, pieces, self.left)?;
        Ok(Member { length, is_sparse: true, ..member })
    }

    /// Length of a sparse file and where its data belong; partly in blocks of their own.
    fn pieces(&mut self, source: map::Source, block: &Block) -> io::Result<(u64, Vec<Piece>)> {
        match source {
            map::Source::Header => {
                let (length, mut pieces, mut more) = map::of_header(block)?;
                while more {
                    let block = self.block()?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    more = map::extend(&block, &mut pieces)?;
                }
                Ok((length, pieces))
            }
            map::Source::Records { length, pieces } => Ok((length, pieces)),
            map::Source::Content { length } => Ok((length, map::of_content(&mut Stored(self))?)),
        }
    }

    /// A header; `None` at the end. Some archives lack the empty blocks that mark it.
    fn header_block(&mut self) -> io::Result<Option<Block>> {
        Ok(self.block()?.filter(|block| block.iter().any(|byte| *byte != 0)))
    }

    fn block(&mut self) -> io::Result<Option<Block>> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.from.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) if self.at == 0 => return Err(malformed("it is no tar: it is too short")),
                Ok(0) => return Err(ends_early()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += BLOCK_BYTES as u64;
        Ok(Some(block))
    }

    fn expect(&mut self, bytes: u64) {
        self.left = bytes;
        self.padding = bytes.checked_next_multiple_of(BLOCK_BYTES as u64).unwrap_or(bytes) - bytes;
    }

    /// All that is stored, of what is no file.
    fn whole(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MAX_EXTRA_BYTES {
            return Err(malformed(format!(
                "a name or record of {} bytes: more than {MAX_EXTRA_BYTES}",
                self.left
            )));
        }
        let mut bytes = Vec::new();
        Stored(self).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > 0 {
            (self.skip)(&mut self.from, bytes)?;
            self.at = self.at.saturating_add(bytes);
        }
        Ok(())
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads from a file, whose contents are not read over but left out.
    pub fn seeking(from: R) -> Self {
        Self { skip: seek_over, ..Self::new(from) }
    }
}

/// What is stored of a member.
struct Stored<'a, R>(&'a mut Reader<R>);

impl<R: Read> Read for Stored<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.0.left).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..length).filter(|into| !into.is_empty()) else { return Ok(0) };
        let read = self.0.from.read(into)?;
        if read == 0 {
            return Err(ends_early());
        }
        (self.0.left, self.0.at) = (self.0.left - read as u64, self.0.at + read as u64);
        Ok(read)
    }
}

/// What a member's file holds.
#[derive(Debug)]
pub struct Content<'a, R>(&'a mut Reader<R>);

impl<R: Read> Content<'_, R> {
    /// Passes over the hole that comes next; its length in bytes, 0 where data come or the file ends.
    pub fn pass_hole(&mut self) -> u64 {
        self.0.map.pass_hole()
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let next = self.0.map.next_bytes();
        let length = usize::try_from(next.bytes).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..length).unwrap_or_default();
        let read = match next.is_hole {
            true => {
                into.fill(0);
                length
            }
            false => Stored(self.0).read(into)?,
        };
        self.0.map.advance(read as u64);
        Ok(read)
    }
}

fn read_over<R: Read>(from: &mut R, bytes: u64) -> io::Result<()> {
    match io::copy(&mut from.by_ref().take(bytes), &mut io::sink())? {
        passed if passed == bytes => Ok(()),
        _ => Err(ends_early()),
    }
}

/// The last byte is read: a file ends where it does only for who reads it.
fn seek_over<R: Read + Seek>(from: &mut R, bytes: u64) -> io::Result<()> {
    let far = i64::try_from(bytes - 1).map_err(|_| ends_early())?;
    from.seek(SeekFrom::Current(far))?;
    from.read_exact(&mut [0]).map_err(|_| ends_early())
}

fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends in the middle of an entry")
}

fn malformed(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
