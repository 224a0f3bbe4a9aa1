//! Where the data of a sparse file belong: GNU's old header, and its PAX forms 0.0, 0.1 and 1.0
//! (GNU tar, "Storing Sparse Files").

use std::io::{self, Read};

use super::records::{Record, decimal, number as of_record, value};
use super::{BLOCK_BYTES, Block, malformed, number};

/// Pieces of one file.
const MAX_PIECES: usize = 1 << 20;

/// Data and where they begin in the file, in bytes.
pub(super) type Piece = (u64, u64);

/// Where the list of pieces is.
#[derive(Debug)]
pub(super) enum Source {
    Header,
    Records {
        length: u64,
        pieces: Vec<Piece>,
    },
    /// Before the data.
    Content {
        length: u64,
    },
}

impl Source {
    pub(super) fn of(kind: u8, records: &[Record]) -> io::Result<Option<Self>> {
        if kind == b'S' {
            return Ok(Some(Self::Header));
        }
        let length = match of_record(records, "GNU.sparse.realsize")? {
            None => of_record(records, "GNU.sparse.size")?,
            length => length,
        };
        let Some(length) = length else { return Ok(None) };
        if value(records, "GNU.sparse.major") == Some(b"1") {
            return Ok(Some(Self::Content { length }));
        }
        Ok(Some(Self::Records { length, pieces: of_records(records)? }))
    }
}

/// The forms 0.0, a record for each number, and 0.1, all in one.
fn of_records(records: &[Record]) -> io::Result<Vec<Piece>> {
    let numbers: Option<Vec<u64>> = match value(records, "GNU.sparse.map") {
        Some(text) => text.split(|byte| *byte == b',').map(decimal).collect(),
        None => {
            let is_number = |key: &[u8]| key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes";
            records.iter().filter(|(key, _)| is_number(key)).map(|(_, value)| decimal(value)).collect()
        }
    };
    let numbers = numbers.filter(|numbers| numbers.len().is_multiple_of(2)).ok_or_else(bad)?;
    Ok(numbers.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect())
}

/// Length, first pieces, and whether a block with more follows.
pub(super) fn of_header(block: &Block) -> io::Result<(u64, Vec<Piece>, bool)> {
    let mut pieces = Vec::new();
    list(block.get(386..482).unwrap_or_default(), &mut pieces)?;
    let length = number::unsigned(block.get(483..495).unwrap_or_default())?;
    Ok((length, pieces, block.get(482).is_some_and(|more| *more != 0)))
}

/// Adds the pieces of a further block; whether another one follows.
pub(super) fn extend(block: &Block, pieces: &mut Vec<Piece>) -> io::Result<bool> {
    list(block.get(..504).unwrap_or_default(), pieces)?;
    if pieces.len() > MAX_PIECES {
        return Err(bad());
    }
    Ok(block.get(504).is_some_and(|more| *more != 0))
}

fn list(fields: &[u8], pieces: &mut Vec<Piece>) -> io::Result<()> {
    for field in fields.chunks_exact(24) {
        let (offset, bytes) = field.split_at(12);
        // The first one that is empty ends the list.
        if offset.first().is_none_or(|byte| *byte == 0) {
            break;
        }
        pieces.push((number::unsigned(offset)?, number::unsigned(bytes)?));
    }
    Ok(())
}

/// The form 1.0: lines of decimal numbers, of which the first counts the pieces.
pub(super) fn of_content(from: &mut impl Read) -> io::Result<Vec<Piece>> {
    let mut lines = Lines { from, block: Vec::new().into_iter() };
    let count = lines.number()?;
    if count > MAX_PIECES as u64 {
        return Err(bad());
    }
    (0..count).map(|_| Ok((lines.number()?, lines.number()?))).collect()
}

/// Lines that fill whole blocks.
struct Lines<'a, R> {
    from: &'a mut R,
    block: std::vec::IntoIter<u8>,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = Vec::new();
        while digits.len() <= 20 {
            match self.byte()? {
                b'\n' => return decimal(&digits).ok_or_else(bad),
                digit => digits.push(digit),
            }
        }
        Err(bad())
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.block.len() == 0 {
            let mut block = vec![0; BLOCK_BYTES];
            self.from.read_exact(&mut block)?;
            self.block = block.into_iter();
        }
        self.block.next().ok_or_else(bad)
    }
}

/// How far a file's content was read, and where its data are.
#[derive(Debug, Default)]
pub(super) struct Map {
    position: u64,
    length: u64,
    /// What is still to come, last first.
    pieces: Vec<Piece>,
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) is_hole: bool,
    pub(super) bytes: u64,
}

impl Map {
    /// A file without holes.
    pub(super) fn plain(length: u64) -> Self {
        Self { position: 0, length, pieces: if length > 0 { vec![(0, length)] } else { Vec::new() } }
    }

    /// The pieces must be in order, inside of the file, and all the data that are stored.
    pub(super) fn new(length: u64, mut pieces: Vec<Piece>, stored: u64) -> io::Result<Self> {
        let (mut end, mut data) = (0u64, 0u64);
        for (offset, bytes) in &pieces {
            let after = offset.checked_add(*bytes).filter(|after| *offset >= end && *after <= length);
            end = after.ok_or_else(bad)?;
            data += bytes;
        }
        if data != stored {
            return Err(bad());
        }
        pieces.retain(|(_, bytes)| *bytes > 0);
        pieces.reverse();
        Ok(Self { position: 0, length, pieces })
    }

    pub(super) fn next_bytes(&self) -> Next {
        match self.pieces.last() {
            Some((offset, bytes)) if *offset <= self.position => {
                Next { is_hole: false, bytes: offset + bytes - self.position }
            }
            Some((offset, _)) => Next { is_hole: true, bytes: offset - self.position },
            None => Next { is_hole: true, bytes: self.length - self.position },
        }
    }

    pub(super) fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        if self.pieces.last().is_some_and(|(offset, bytes)| offset + bytes == self.position) {
            self.pieces.pop();
        }
    }

    pub(super) fn pass_hole(&mut self) -> u64 {
        let next = self.next_bytes();
        if !next.is_hole {
            return 0;
        }
        self.advance(next.bytes);
        next.bytes
    }
}

fn bad() -> io::Error {
    malformed("its list of holes is malformed")
}
