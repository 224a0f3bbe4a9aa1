//! The kernel's side of a filter: its check before loading, and its run.

use crate::sys::seccomp::Instruction;

/// What a program asks about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) architecture: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
}

impl Call {
    /// A word of `struct seccomp_data`.
    fn word(&self, offset: u32) -> u32 {
        let half = |value: u64, high: bool| (if high { value >> 32 } else { value & 0xffff_ffff }) as u32;
        match offset {
            0 => self.number,
            4 => self.architecture,
            // The instruction pointer, which no filter of ours looks at.
            8 | 12 => 0,
            _ => {
                let word = (offset - 16) / 4;
                let little = cfg!(target_endian = "little");
                half(self.arguments[word as usize / 2], (word % 2 == 1) == little)
            }
        }
    }
}

/// As the kernel: every jump lands inside, every end is a return, only aligned words are loaded.
pub(super) fn check(program: &[Instruction]) {
    assert!((1..=4096).contains(&program.len()), "{}", program.len());
    for (position, instruction) in program.iter().enumerate() {
        let left = program.len() - position - 1;
        match instruction.code {
            0x20 => assert!(instruction.operand <= 60 && instruction.operand.is_multiple_of(4)),
            0x05 => assert!((instruction.operand as usize) < left),
            0x15 | 0x25 | 0x35 | 0x45 => {
                let farthest = instruction.skip_if_true.max(instruction.skip_if_false);
                assert!((farthest as usize) < left);
            }
            0x54 | 0x06 => {}
            other => panic!("instruction {other:x}"),
        }
    }
    assert_eq!(program.last().unwrap().code, 0x06);
}

/// What the kernel would return for a call.
pub(super) fn run(program: &[Instruction], call: &Call) -> u32 {
    let (mut position, mut accumulator) = (0, 0);
    loop {
        let Instruction { code, skip_if_true, skip_if_false, operand } = program[position];
        position += 1;
        let holds = match code {
            0x06 => return operand,
            0x20 => {
                accumulator = call.word(operand);
                continue;
            }
            0x54 => {
                accumulator &= operand;
                continue;
            }
            0x05 => {
                position += operand as usize;
                continue;
            }
            0x15 => accumulator == operand,
            0x25 => accumulator > operand,
            0x35 => accumulator >= operand,
            _ => accumulator & operand != 0,
        };
        position += if holds { skip_if_true } else { skip_if_false } as usize;
    }
}
