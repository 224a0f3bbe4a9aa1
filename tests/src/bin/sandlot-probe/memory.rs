//! Memory that is really used.

use crate::outcome::{Outcome, argument};

const MEBIBYTE: usize = 1 << 20;

/// Fills memory piece by piece. A process that is killed over it says nothing, which is the refusal.
pub(crate) fn fill(arguments: &[String]) -> Outcome {
    let mebibytes: usize = match argument(arguments, 0) {
        Ok(mebibytes) => mebibytes,
        Err(outcome) => return outcome,
    };
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(MEBIBYTE).is_err() {
            return Outcome::Refused(format!("no more than {} MiB", pieces.len()));
        }
        piece.resize(MEBIBYTE, 0xa5);
        pieces.push(piece);
    }
    Outcome::Succeeded(format!("{} MiB in use", std::hint::black_box(&pieces).len()))
}
