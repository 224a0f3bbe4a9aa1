//! What is decided in front of libseccomp's filter: calls newer than the profile, or than libseccomp.
//!
//! A program that tries a new call and gets EPERM believes that it may not; only ENOSYS makes it use the old one. So
//! where a profile refuses what it does not name, calls beyond the last one that it names do not exist. From
//! [`newer::FIRST`] on that holds for each call by itself; those that are named and that libseccomp does not know are
//! answered here, and so are calls with involved rules (see `involved`).
//!
//! ```text
//! for each architecture:  load architecture; another one? -> next
//!                         load number
//!                         a call with involved rules -> its answer
//!                         >= FIRST:  named here -> its answer;  libseccomp's -> filter;  else ENOSYS
//!                         >  the last one that the profile names -> ENOSYS
//!                         -> filter
//! ```

use libseccomp::ScmpSyscall;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};

use super::involved::{Alternative, Involved};
use super::{architecture, conditions, newer};
use crate::sys::seccomp::Instruction;

/// x32 calls are those of x86-64 with this bit.
const X32_BIT: u32 = 0x4000_0000;
/// SECCOMP_RET_ERRNO with ENOSYS.
const NO_SUCH_CALL: u32 = 0x0005_0000 | 38;

const LOAD: u16 = 0x20;
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_SET: u16 = 0x45;

/// An instruction, or the way to what stands behind the prefix, however far that is.
#[derive(Clone, Copy)]
enum Step {
    Do(Instruction),
    Filter,
}

/// What stands in front of the filter; nothing where the filter says it all.
pub(super) fn prefix(profile: &LinuxSeccomp, involved: &Involved<'_>) -> Vec<Instruction> {
    let all = architecture::of(profile);
    let steps: Vec<Step> = all
        .iter()
        // It shares the section of x86-64, which every list of a machine with x32 begins with.
        .filter(|arch| **arch != Arch::ScmpArchX32)
        .flat_map(|arch| section(profile, involved, *arch, all.contains(&Arch::ScmpArchX32)))
        .collect();
    let length = steps.len();
    let resolve = |(position, step)| match step {
        Step::Do(instruction) => instruction,
        Step::Filter => plain(JUMP, distance(length - position - 1)),
    };
    steps.into_iter().enumerate().map(resolve).collect()
}

/// What is done for one architecture of the kernel.
fn section(profile: &LinuxSeccomp, involved: &Involved<'_>, arch: Arch, with_x32: bool) -> Vec<Step> {
    let mut body = calls(profile, involved, arch);
    if arch == Arch::ScmpArchX86_64 {
        let x32 = if with_x32 { calls(profile, involved, Arch::ScmpArchX32) } else { vec![Step::Filter] };
        let skip = [test(JUMP_IF_SET, X32_BIT, 0, 1), run(JUMP, distance(body.len()))];
        body.splice(0..0, skip);
        body.extend(x32);
    }
    if !body.iter().any(|step| matches!(step, Step::Do(instruction) if instruction.code == RETURN)) {
        return Vec::new();
    }
    let mut steps = vec![
        run(LOAD, ARCHITECTURE),
        test(JUMP_IF_EQUAL, architecture::audit(arch), 1, 0),
        run(JUMP, distance(body.len() + 1)),
        run(LOAD, NUMBER),
    ];
    steps.extend(body);
    steps
}

/// The decision by the call's number, which is loaded. Never runs out of its own end.
fn calls(profile: &LinuxSeccomp, involved: &Involved<'_>, arch: Arch) -> Vec<Step> {
    let named = Named::of(profile, arch);
    let refusing = refuses_unnamed(profile);
    let default = profile.default_action().as_u32(profile.default_errno_ret());
    let mut steps: Vec<Step> =
        involved.on(arch).flat_map(|(number, all)| call(number, all, arch, default)).collect();
    if refusing && matches!(arch, Arch::ScmpArchS390 | Arch::ScmpArchS390x) {
        // Numbers that do not fit into the instruction and that the kernel does not know come as zero.
        steps.extend([test(JUMP_IF_EQUAL, 0, 0, 1), run(RETURN, NO_SUCH_CALL)]);
    }
    let newer = named.newer(refusing);
    steps.extend([
        test(JUMP_IF_AT_LEAST, architecture::first_number(arch) + newer::FIRST, 1, 0),
        run(JUMP, distance(newer.len())),
    ]);
    steps.extend(newer);
    if let Some(last) = named.last.filter(|_| refusing) {
        steps.extend([test(JUMP_IF_GREATER, last, 0, 1), run(RETURN, NO_SUCH_CALL)]);
    }
    steps.push(Step::Filter);
    steps
}

/// The decision on one call with involved rules; any other number goes on behind it.
fn call(number: u32, alternatives: &[Alternative], arch: Arch, default: u32) -> Vec<Step> {
    let wide = architecture::is_wide(arch);
    let body = alternatives.iter().flat_map(|one| conditions::alternative(one, wide)).map(Step::Do);
    let body: Vec<Step> = body.chain([run(RETURN, default)]).collect();
    let skip = [test(JUMP_IF_EQUAL, number, 1, 0), run(JUMP, distance(body.len()))];
    skip.into_iter().chain(body).collect()
}

/// Whether a call that no rule names is refused, and in a way that keeps a program from falling back.
fn refuses_unnamed(profile: &LinuxSeccomp) -> bool {
    match profile.default_action() {
        // A tracer may know calls that the profile does not.
        LinuxSeccompAction::ScmpActAllow
        | LinuxSeccompAction::ScmpActLog
        | LinuxSeccompAction::ScmpActTrace => false,
        action => action.as_u32(profile.default_errno_ret()) != NO_SUCH_CALL,
    }
}

/// The calls of one architecture that a profile names.
#[derive(Default)]
struct Named {
    /// The largest number below [`newer::FIRST`].
    last: Option<u32>,
    /// Those from there on; what the kernel shall return, or nothing where libseccomp's filter decides.
    newer: Vec<(u32, Option<u32>)>,
}

impl Named {
    fn of(profile: &LinuxSeccomp, arch: Arch) -> Self {
        let first = architecture::first_number(arch);
        let mut named = Self::default();
        for rule in profile.syscalls().iter().flatten() {
            for name in rule.names() {
                let known = ScmpSyscall::from_name_by_arch(name, architecture::scmp(arch));
                match known.map(|call| u32::try_from(call.as_raw_syscall())) {
                    Ok(Ok(number)) => named.add(number, first),
                    // Below zero: a call that only other architectures have.
                    Ok(Err(_)) => {}
                    Err(_) => named.answer(name, rule, first),
                }
            }
        }
        named
    }

    fn add(&mut self, number: u32, first: u32) {
        if number < first + newer::FIRST {
            self.last = self.last.max(Some(number));
        } else {
            self.push(number, None);
        }
    }

    fn answer(&mut self, name: &str, rule: &LinuxSyscall, first: u32) {
        let unconditional = rule.args().as_ref().is_none_or(Vec::is_empty);
        if let Some(number) = newer::number(name).filter(|_| unconditional) {
            self.push(first + number, Some(rule.action().as_u32(rule.errno_ret())));
        }
    }

    /// The first rule wins.
    fn push(&mut self, number: u32, answer: Option<u32>) {
        if self.newer.iter().all(|(known, _)| *known != number) {
            self.newer.push((number, answer));
        }
    }

    /// The decision on numbers from [`newer::FIRST`] on.
    fn newer(&self, refusing: bool) -> Vec<Step> {
        let decide = |(number, answer): &(u32, Option<u32>)| {
            let answer = answer.map_or(Step::Filter, |value| run(RETURN, value));
            [test(JUMP_IF_EQUAL, *number, 0, 1), answer]
        };
        let rest = if refusing { run(RETURN, NO_SUCH_CALL) } else { Step::Filter };
        self.newer.iter().flat_map(decide).chain([rest]).collect()
    }
}

fn run(code: u16, operand: u32) -> Step {
    Step::Do(plain(code, operand))
}

fn test(code: u16, operand: u32, skip_if_true: u8, skip_if_false: u8) -> Step {
    Step::Do(Instruction { code, skip_if_true, skip_if_false, operand })
}

fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, skip_if_true: 0, skip_if_false: 0, operand }
}

/// Longer programs than this can say are refused before they are loaded.
fn distance(instructions: usize) -> u32 {
    u32::try_from(instructions).unwrap_or(u32::MAX)
}
