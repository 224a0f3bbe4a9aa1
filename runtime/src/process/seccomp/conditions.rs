//! Conditions on arguments as instructions.
//!
//! Arguments have 64 bits and a filter's machine 32: the upper half is compared first. Architectures of 32 bits have no
//! upper half, and what a profile says about it does not count, as in libseccomp.

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

use super::involved::Alternative;
use crate::sys::seccomp::Instruction;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const AT_LEAST: u16 = 0x35;

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum To {
    Next,
    /// The condition holds.
    Holds,
    /// It does not, and with it the whole alternative.
    Fails,
}

enum Part {
    Run(u16, u32),
    Test(u16, u32, To, To),
}

/// An alternative: its conditions and its answer. Where they do not hold it ends behind itself.
pub(super) fn alternative(alternative: &Alternative, wide: bool) -> Vec<Instruction> {
    let conditions: Vec<Vec<Part>> = alternative.conditions.iter().map(|one| condition(one, wide)).collect();
    let length = conditions.iter().map(Vec::len).sum::<usize>();
    let mut program = Vec::with_capacity(length + 1);
    for parts in conditions {
        let end = program.len() + parts.len();
        for part in parts {
            let position = program.len() + 1;
            program.push(resolve(&part, end - position, length + 1 - position));
        }
    }
    program.push(plain(RETURN, alternative.answer));
    program
}

/// At most six conditions of six instructions, so every distance fits into its byte.
fn resolve(part: &Part, to_end: usize, to_next_alternative: usize) -> Instruction {
    let distance = |to| {
        let instructions = match to {
            To::Next => 0,
            To::Holds => to_end,
            To::Fails => to_next_alternative,
        };
        u8::try_from(instructions).unwrap_or(u8::MAX)
    };
    match *part {
        Part::Run(code, operand) => plain(code, operand),
        Part::Test(code, operand, yes, no) => {
            Instruction { code, skip_if_true: distance(yes), skip_if_false: distance(no), operand }
        }
    }
}

fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, skip_if_true: 0, skip_if_false: 0, operand }
}

fn condition(argument: &LinuxSeccompArg, wide: bool) -> Vec<Part> {
    let (value, second) = (argument.value(), argument.value_two().unwrap_or(0));
    if argument.op() == LinuxSeccompOperator::ScmpCmpMaskedEq {
        return masked(argument.index(), value, value & second, wide);
    }
    let mut parts = Vec::new();
    if wide {
        parts.push(load(argument.index(), true));
        parts.extend(upper(argument.op(), high(value)));
    }
    parts.extend([load(argument.index(), false), lower(argument.op(), low(value))]);
    parts
}

/// What the upper halves decide, unless they are equal.
fn upper(operator: LinuxSeccompOperator, value: u32) -> Vec<Part> {
    use LinuxSeccompOperator::{ScmpCmpGe, ScmpCmpGt, ScmpCmpLe, ScmpCmpLt, ScmpCmpNe};
    let equal_or = |otherwise| Part::Test(EQUAL, value, To::Next, otherwise);
    match operator {
        ScmpCmpNe => vec![equal_or(To::Holds)],
        ScmpCmpGt | ScmpCmpGe => vec![Part::Test(GREATER, value, To::Holds, To::Next), equal_or(To::Fails)],
        ScmpCmpLt | ScmpCmpLe => vec![Part::Test(GREATER, value, To::Fails, To::Next), equal_or(To::Holds)],
        _ => vec![equal_or(To::Fails)],
    }
}

fn lower(operator: LinuxSeccompOperator, value: u32) -> Part {
    use LinuxSeccompOperator::{ScmpCmpGe, ScmpCmpGt, ScmpCmpLe, ScmpCmpLt, ScmpCmpNe};
    match operator {
        ScmpCmpNe => Part::Test(EQUAL, value, To::Fails, To::Holds),
        ScmpCmpGt => Part::Test(GREATER, value, To::Holds, To::Fails),
        ScmpCmpGe => Part::Test(AT_LEAST, value, To::Holds, To::Fails),
        ScmpCmpLt => Part::Test(AT_LEAST, value, To::Fails, To::Holds),
        ScmpCmpLe => Part::Test(GREATER, value, To::Fails, To::Holds),
        _ => Part::Test(EQUAL, value, To::Holds, To::Fails),
    }
}

fn masked(index: usize, mask: u64, rest: u64, wide: bool) -> Vec<Part> {
    let half = |upper: bool, mask: u32, rest: u32| {
        [load(index, upper), Part::Run(AND, mask), Part::Test(EQUAL, rest, To::Next, To::Fails)]
    };
    let mut parts = Vec::new();
    if wide {
        parts.extend(half(true, high(mask), high(rest)));
    }
    parts.extend(half(false, low(mask), low(rest)));
    parts
}

/// A half of an argument in `struct seccomp_data`.
fn load(index: usize, upper: bool) -> Part {
    let first = upper == cfg!(target_endian = "big");
    let offset = 16 + 8 * index + if first { 0 } else { 4 };
    Part::Run(LOAD, u32::try_from(offset).unwrap_or(u32::MAX))
}

fn high(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or(u32::MAX)
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX)
}
