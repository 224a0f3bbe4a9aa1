//! Docker's default profile for Docker's default capabilities, as an OCI document.
//!
//! It differs in this: io_uring, AF_ALG sockets and the x32 architecture are refused as well, which have been the
//! way in for many kernel exploits and which hardly any program needs.

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

use super::calls::{ALLOWED, ALLOWED_WITH_USER_NAMESPACES};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// The CLONE_NEW* flags that `clone` takes.
const NAMESPACE_FLAGS: u64 = 0x7e02_0000;
/// Execution domains of Linux proper, of 32-bit programs, and the question which one is set.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Address families around AF_ALG (38) and AF_VSOCK (40), which reaches the host of a virtual machine.
const SOCKET_FAMILIES: [(LinuxSeccompOperator, u64); 3] = [
    (LinuxSeccompOperator::ScmpCmpLt, 38),
    (LinuxSeccompOperator::ScmpCmpEq, 39),
    (LinuxSeccompOperator::ScmpCmpGt, 40),
];

/// The profile; with `user_namespaces` new namespaces, and what is of use in them, are allowed.
///
/// # Errors
/// When a part of the document is missing, which would be a mistake in this function.
pub fn docker_default(user_namespaces: bool) -> Result<LinuxSeccomp, OciSpecError> {
    let mut rules = vec![allow(ALLOWED)?];
    for personality in PERSONALITIES {
        rules.push(allow_if("personality", argument(LinuxSeccompOperator::ScmpCmpEq, personality)?)?);
    }
    for (operator, family) in SOCKET_FAMILIES {
        rules.push(allow_if("socket", argument(operator, family)?)?);
    }
    if user_namespaces {
        rules.push(allow(ALLOWED_WITH_USER_NAMESPACES)?);
    } else {
        rules.push(allow_if("clone", argument(LinuxSeccompOperator::ScmpCmpMaskedEq, NAMESPACE_FLAGS)?)?);
        // Its flags lie in memory, where a filter cannot look; libraries fall back to clone.
        rules.push(rule(&["clone3"]).action(LinuxSeccompAction::ScmpActErrno).errno_ret(ENOSYS).build()?);
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(EPERM)
        .architectures(architectures())
        .syscalls(rules)
        .build()
}

pub(super) fn architectures() -> Vec<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => vec![Arch::ScmpArchNative],
    }
}

fn rule(names: &[&str]) -> LinuxSyscallBuilder {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    LinuxSyscallBuilder::default().names(names)
}

fn allow(names: &[&str]) -> Result<LinuxSyscall, OciSpecError> {
    rule(names).action(LinuxSeccompAction::ScmpActAllow).build()
}

fn allow_if(name: &str, argument: LinuxSeccompArg) -> Result<LinuxSyscall, OciSpecError> {
    rule(&[name]).action(LinuxSeccompAction::ScmpActAllow).args(vec![argument]).build()
}

/// A condition on the first argument; with a mask, that nothing of it is set.
fn argument(operator: LinuxSeccompOperator, value: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    LinuxSeccompArgBuilder::default().index(0usize).value(value).value_two(0u64).op(operator).build()
}
