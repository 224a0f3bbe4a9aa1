//! Programs that make one system call and exit with its error number, put together byte by byte: no library and no
//! loader makes calls of its own.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::sys::memfd::{MFdFlags, memfd_create};

const BASE: u32 = 0x40_0000;
const UD2: [u8; 2] = [0x0f, 0x0b];

/// One call of x86-64 (or of x32, by its bit in the number).
pub(crate) fn amd64(number: u32, arguments: [u64; 2]) -> OwnedFd {
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    for (register, value) in [0xbf, 0xbe].into_iter().zip(arguments) {
        code.extend([0x48, register]);
        code.extend(value.to_le_bytes());
    }
    // xor edx, edx; xor r10d, r10d; syscall; neg eax; mov edi, eax; mov eax, 231 (exit_group); syscall
    code.extend([0x31, 0xd2, 0x45, 0x31, 0xd2, 0x0f, 0x05, 0xf7, 0xd8, 0x89, 0xc7]);
    code.extend([0xb8, 231, 0, 0, 0, 0x0f, 0x05]);
    code.extend(UD2);
    executable(&elf64(&code))
}

/// One call of the 32-bit x86.
pub(crate) fn i386(number: u32, arguments: [u32; 2]) -> OwnedFd {
    let mut code = Vec::new();
    for (load, value) in [0xb8, 0xbb, 0xb9].into_iter().zip([number, arguments[0], arguments[1]]) {
        code.push(load);
        code.extend(value.to_le_bytes());
    }
    // xor edx, edx; int 0x80; neg eax; mov ebx, eax; mov eax, 252 (exit_group); int 0x80
    code.extend([0x31, 0xd2, 0xcd, 0x80, 0xf7, 0xd8, 0x89, 0xc3, 0xb8, 252, 0, 0, 0, 0xcd, 0x80]);
    code.extend(UD2);
    executable(&elf32(&code))
}

fn elf64(code: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    halves(&mut file, &[2, 62]);
    words(&mut file, &[1]);
    longs(&mut file, &[u64::from(BASE) + HEADERS, 64, 0]);
    words(&mut file, &[0]);
    halves(&mut file, &[64, 56, 1, 0, 0, 0]);
    words(&mut file, &[1, 5]);
    longs(&mut file, &[0, BASE.into(), BASE.into(), size, size, 0x1000]);
    file.extend(code);
    file
}

fn elf32(code: &[u8]) -> Vec<u8> {
    const HEADERS: u32 = 52 + 32;
    let size = HEADERS + u32::try_from(code.len()).unwrap();
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    halves(&mut file, &[2, 3]);
    words(&mut file, &[1, BASE + HEADERS, 52, 0, 0]);
    halves(&mut file, &[52, 32, 1, 0, 0, 0]);
    words(&mut file, &[1, 0, BASE, BASE, size, size, 5, 0x1000]);
    file.extend(code);
    file
}

fn halves(file: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| file.extend(value.to_le_bytes()));
}

fn words(file: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| file.extend(value.to_le_bytes()));
}

fn longs(file: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| file.extend(value.to_le_bytes()));
}

fn executable(file: &[u8]) -> OwnedFd {
    let mut memory = File::from(memfd_create(c"program", MFdFlags::MFD_CLOEXEC).unwrap());
    memory.write_all(file).unwrap();
    memory.into()
}
