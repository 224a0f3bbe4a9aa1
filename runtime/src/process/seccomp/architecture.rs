//! Architectures of a profile: their names, their tokens in libseccomp and in the kernel, and where their numbers begin.

use libseccomp::ScmpArch;
use oci_spec::runtime::{Arch, LinuxSeccomp};

/// Every architecture that a filter of this profile decides on, this machine's own first, each once. libseccomp has the
/// own one in every filter, whether a profile names it or not.
pub(super) fn of(profile: &LinuxSeccomp) -> Vec<Arch> {
    let mut all: Vec<Arch> = native().into_iter().collect();
    for arch in profile.architectures().iter().flatten() {
        if *arch != Arch::ScmpArchNative && !all.contains(arch) {
            all.push(*arch);
        }
    }
    all
}

/// This machine's own architecture, if it has a name in OCI documents.
fn native() -> Option<Arch> {
    match ScmpArch::native() {
        ScmpArch::X8664 => Some(Arch::ScmpArchX86_64),
        ScmpArch::X86 => Some(Arch::ScmpArchX86),
        ScmpArch::Aarch64 => Some(Arch::ScmpArchAarch64),
        ScmpArch::Arm => Some(Arch::ScmpArchArm),
        ScmpArch::Riscv64 => Some(Arch::ScmpArchRiscv64),
        ScmpArch::Ppc64Le => Some(Arch::ScmpArchPpc64le),
        ScmpArch::S390X => Some(Arch::ScmpArchS390x),
        ScmpArch::Loongarch64 => Some(Arch::ScmpArchLoongarch64),
        _ => None,
    }
}

/// The architecture as the kernel tells it to a filter (AUDIT_ARCH_*). x32 calls come as those of x86-64.
pub(super) fn audit(arch: Arch) -> u32 {
    match arch {
        Arch::ScmpArchX32 => Arch::ScmpArchX86_64 as u32,
        // The document's values are those of libseccomp, which are the kernel's.
        other => other as u32,
    }
}

/// What is added to every call's number.
pub(super) fn first_number(arch: Arch) -> u32 {
    match arch {
        Arch::ScmpArchX32 => 0x4000_0000,
        Arch::ScmpArchMips | Arch::ScmpArchMipsel => 4000,
        Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => 5000,
        Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32 => 6000,
        _ => 0,
    }
}

/// Whether arguments have 64 bits.
pub(super) fn is_wide(arch: Arch) -> bool {
    // A bit of the kernel's token says so; x32 and n32 run on wide machines with narrow arguments.
    arch as u32 & 0x8000_0000 != 0 && !matches!(arch, Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32)
}

pub(super) fn scmp(arch: Arch) -> ScmpArch {
    match arch {
        Arch::ScmpArchNative => ScmpArch::Native,
        Arch::ScmpArchX86 => ScmpArch::X86,
        Arch::ScmpArchX86_64 => ScmpArch::X8664,
        Arch::ScmpArchX32 => ScmpArch::X32,
        Arch::ScmpArchArm => ScmpArch::Arm,
        Arch::ScmpArchAarch64 => ScmpArch::Aarch64,
        Arch::ScmpArchMips => ScmpArch::Mips,
        Arch::ScmpArchMips64 => ScmpArch::Mips64,
        Arch::ScmpArchMips64n32 => ScmpArch::Mips64N32,
        Arch::ScmpArchMipsel => ScmpArch::Mipsel,
        Arch::ScmpArchMipsel64 => ScmpArch::Mipsel64,
        Arch::ScmpArchMipsel64n32 => ScmpArch::Mipsel64N32,
        Arch::ScmpArchPpc => ScmpArch::Ppc,
        Arch::ScmpArchPpc64 => ScmpArch::Ppc64,
        Arch::ScmpArchPpc64le => ScmpArch::Ppc64Le,
        Arch::ScmpArchS390 => ScmpArch::S390,
        Arch::ScmpArchS390x => ScmpArch::S390X,
        Arch::ScmpArchParisc => ScmpArch::Parisc,
        Arch::ScmpArchParisc64 => ScmpArch::Parisc64,
        Arch::ScmpArchRiscv64 => ScmpArch::Riscv64,
        Arch::ScmpArchLoongarch64 => ScmpArch::Loongarch64,
        Arch::ScmpArchM68k => ScmpArch::M68k,
        Arch::ScmpArchSh => ScmpArch::Sh,
        Arch::ScmpArchSheb => ScmpArch::Sheb,
    }
}
