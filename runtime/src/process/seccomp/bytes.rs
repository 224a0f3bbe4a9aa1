//! A filter's instructions as bytes, in this machine's order: as libseccomp writes them and as the cache keeps them.

use std::fs::File;
use std::io::{self, Read, Seek};

use libseccomp::ScmpFilterContext;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::CompileError;
use crate::sys::seccomp::Instruction;

/// Bytes of one instruction.
pub(super) const LENGTH: usize = 8;

/// What libseccomp has compiled.
pub(super) fn export(context: &ScmpFilterContext) -> Result<Vec<Instruction>, CompileError> {
    // The oldest libseccomp that is built with writes to a descriptor only.
    let memory = memfd_create(c"seccomp", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?;
    context.export_bpf(&memory)?;
    let mut file = File::from(memory);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(decode(bytes.as_chunks().0))
}

pub(super) fn decode(chunks: &[[u8; LENGTH]]) -> Vec<Instruction> {
    let one = |[c0, c1, skip_if_true, skip_if_false, k0, k1, k2, k3]: [u8; LENGTH]| Instruction {
        code: u16::from_ne_bytes([c0, c1]),
        skip_if_true,
        skip_if_false,
        operand: u32::from_ne_bytes([k0, k1, k2, k3]),
    };
    chunks.iter().copied().map(one).collect()
}

/// The reverse of [`decode`].
pub(super) fn encode(instructions: &[Instruction]) -> Vec<u8> {
    let one = |instruction: &Instruction| {
        let ([c0, c1], [k0, k1, k2, k3]) =
            (instruction.code.to_ne_bytes(), instruction.operand.to_ne_bytes());
        [c0, c1, instruction.skip_if_true, instruction.skip_if_false, k0, k1, k2, k3]
    };
    instructions.iter().flat_map(one).collect()
}
