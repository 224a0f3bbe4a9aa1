//! Dockerfiles: from their text to checked instructions (Docker's "Dockerfile reference", format 1).
//!
//! ```text
//! text --source--> statements (lines joined, comments and heredocs taken) --instruction--> stages of instructions
//! ```
//!
//! Nothing is run here, and no variable is replaced before an instruction's turn: `expand` does that. Written by
//! ourselves, since the parsers there are leave flags, quotes and the position of a mistake to their caller.

pub mod error;
pub mod expand;
pub mod flags;
pub mod instruction;
mod pattern;
pub mod source;
pub mod stage;
pub mod words;

pub use error::{Error, Result};
pub use instruction::Instruction;
pub use stage::{Dockerfile, Stage, Step};

#[cfg(test)]
mod tests;
