//! The list of allowed devices as a program for the version 2 hierarchy, which has no files for it.
//!
//! ```text
//! r2 = kind   r3 = access   r4 = major   r5 = minor
//! for each rule:  jump to the next rule unless kind, access, major and minor fit;  return 1
//! return 0
//! ```

use std::fmt;

use super::devices::Rule;
use crate::sys::bpf::Instruction;

const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;

const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER: u8 = 0xbf;
const MOVE_NUMBER: u8 = 0xb7;
const AND_NUMBER: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_EQUAL_NUMBER: u8 = 0x15;
const JUMP_UNEQUAL_NUMBER: u8 = 0x55;
const JUMP_UNEQUAL_REGISTER: u8 = 0x5d;
const EXIT: u8 = 0x95;

const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MAKE: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

fn instruction(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: source << 4 | destination, offset, immediate }
}

/// Takes kind, access and numbers apart.
fn prologue() -> Vec<Instruction> {
    vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        instruction(AND_NUMBER, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ]
}

/// The program for a list of rules.
pub(super) fn assemble(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = prologue();
    rules.iter().for_each(|rule| program.extend(one(rule)));
    program.extend([instruction(MOVE_NUMBER, RESULT, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)]);
    program
}

fn one(rule: &Rule) -> Vec<Instruction> {
    let unequal =
        |register, number: u32| instruction(JUMP_UNEQUAL_NUMBER, register, 0, 0, number.cast_signed());
    let kind = if rule.kind == 'b' { BLOCK } else { CHARACTER };
    let mut code = vec![
        instruction(JUMP_UNEQUAL_NUMBER, KIND, 0, 0, kind),
        instruction(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0),
        instruction(AND_NUMBER, SCRATCH, 0, 0, access(rule.access)),
        instruction(JUMP_UNEQUAL_REGISTER, SCRATCH, ACCESS, 0, 0),
    ];
    code.extend(rule.major.map(|number| unequal(MAJOR, number)));
    code.extend(rule.minor.map(|number| unequal(MINOR, number)));
    code.extend([instruction(MOVE_NUMBER, RESULT, 0, 0, 1), instruction(EXIT, 0, 0, 0, 0)]);
    skip_to_end(&mut code);
    code
}

/// What is done with a device, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Access(u8);

impl Access {
    /// From letters; others than r, w and m mean nothing.
    pub(super) fn read(letters: &str) -> Self {
        let mut bits = 0;
        for letter in letters.chars() {
            bits |= match letter {
                'm' => 1,
                'r' => 2,
                'w' => 4,
                _ => 0,
            };
        }
        Self(bits)
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(2, "r"), (4, "w"), (1, "m")];
        letters.iter().filter(|(bit, _)| self.0 & bit != 0).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// A kind of device that is treated otherwise than the rest; no number is any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exception {
    pub(super) kind: char,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) access: Access,
}

/// The program for a default and its exceptions. Where the default is to allow, an exception that shares any access with
/// what is asked for denies it; otherwise one that covers all of it allows it.
pub(super) fn assemble_exceptions(allows: bool, exceptions: &[Exception]) -> Vec<Instruction> {
    let mut program = prologue();
    for exception in exceptions {
        program.extend(exception_code(allows, exception));
    }
    program
        .extend([instruction(MOVE_NUMBER, RESULT, 0, 0, i32::from(allows)), instruction(EXIT, 0, 0, 0, 0)]);
    program
}

fn exception_code(allows: bool, exception: &Exception) -> Vec<Instruction> {
    let unequal =
        |register, number: u32| instruction(JUMP_UNEQUAL_NUMBER, register, 0, 0, number.cast_signed());
    let kind = if exception.kind == 'b' { BLOCK } else { CHARACTER };
    let mut code = vec![
        instruction(JUMP_UNEQUAL_NUMBER, KIND, 0, 0, kind),
        instruction(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0),
        instruction(AND_NUMBER, SCRATCH, 0, 0, i32::from(exception.access.0)),
        match allows {
            true => instruction(JUMP_EQUAL_NUMBER, SCRATCH, 0, 0, 0),
            false => instruction(JUMP_UNEQUAL_REGISTER, SCRATCH, ACCESS, 0, 0),
        },
    ];
    code.extend(exception.major.map(|number| unequal(MAJOR, number)));
    code.extend(exception.minor.map(|number| unequal(MINOR, number)));
    code.extend([instruction(MOVE_NUMBER, RESULT, 0, 0, i32::from(!allows)), instruction(EXIT, 0, 0, 0, 0)]);
    skip_to_end(&mut code);
    code
}

/// Every jump leads behind the last instruction.
fn skip_to_end(code: &mut [Instruction]) {
    let length = code.len();
    for (at, jump) in code.iter_mut().enumerate() {
        if matches!(jump.code, JUMP_UNEQUAL_NUMBER | JUMP_UNEQUAL_REGISTER | JUMP_EQUAL_NUMBER) {
            // A rule has eight instructions at most.
            jump.offset = i16::try_from(length - at - 1).unwrap_or(i16::MAX);
        }
    }
}

fn access(letters: &str) -> i32 {
    let bit = |letter| match letter {
        'm' => MAKE,
        'r' => READ,
        'w' => WRITE,
        _ => 0,
    };
    letters.chars().map(bit).sum()
}
