//! The list of allowed devices as a program for the version 2 hierarchy, which has no files for it.
//!
//! ```text
//! r2 = kind   r3 = access   r4 = major   r5 = minor
//! for each rule:  jump to the next rule unless kind, access, major and minor fit;  return 1
//! return 0
//! ```

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

/// The program for a list of rules.
pub(super) fn assemble(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        instruction(AND_NUMBER, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
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
    let length = code.len();
    for (at, jump) in code.iter_mut().enumerate() {
        if matches!(jump.code, JUMP_UNEQUAL_NUMBER | JUMP_UNEQUAL_REGISTER) {
            // A rule has eight instructions at most.
            jump.offset = i16::try_from(length - at - 1).unwrap_or(i16::MAX);
        }
    }
    code
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
