//! Calls with rules of several conditions, which are decided in front of libseccomp's filter.
//!
//! libseccomp puts all rules of a call into one tree. Where inequalities meet in it, it never ends (2.5.4: the rules
//! `a0 <= 2 and a1 = 5` and `a0 <= 2 and a3 = 8` are enough), or multiplies them out beyond any bound. So it gets such
//! rules only alone. Ours stand in the order of the profile: the first whose conditions all hold answers, and the
//! default action where none does.

use std::collections::BTreeMap;

use libseccomp::ScmpSyscall;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg};

use super::{architecture, multiplexed, newer};

/// One way in which a call gets an answer other than the default.
#[derive(Debug, Clone)]
pub(super) struct Alternative {
    /// All must hold.
    pub(super) conditions: Vec<LinuxSeccompArg>,
    /// What the kernel shall return then.
    pub(super) answer: u32,
}

/// Those of all calls, by name.
#[derive(Debug)]
pub(super) struct Involved<'a> {
    calls: BTreeMap<&'a str, Vec<Alternative>>,
    /// Whether an architecture of the profile has calls that are parts of others.
    is_multiplexed: bool,
}

impl<'a> Involved<'a> {
    pub(super) fn of(profile: &'a LinuxSeccomp) -> Self {
        let mut calls: BTreeMap<&str, Vec<Alternative>> = BTreeMap::new();
        let default = profile.default_action().as_u32(profile.default_errno_ret());
        for rule in profile.syscalls().iter().flatten() {
            let answer = rule.action().as_u32(rule.errno_ret());
            let alternatives = split(rule.args().as_deref().unwrap_or_default());
            let alternatives = alternatives.into_iter().map(|conditions| Alternative { conditions, answer });
            for name in rule.names().iter().filter(|_| answer != default) {
                calls.entry(name).or_default().extend(alternatives.clone());
            }
        }
        calls.retain(|name, alternatives| is_involved(name, alternatives));
        let is_multiplexed = architecture::of(profile).into_iter().any(multiplexed::has);
        Self { calls, is_multiplexed }
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.calls.contains_key(name)
    }

    /// The alternatives by the numbers of an architecture.
    pub(super) fn on(&self, arch: Arch) -> impl Iterator<Item = (u32, &[Alternative])> {
        self.calls.iter().filter_map(move |(name, all)| Some((number(name, arch)?, all.as_slice())))
    }
}

/// What libseccomp cannot be given: several rules and several conditions, or a name that it does not know. A rule
/// without conditions decides alone, and that it can.
fn is_involved(name: &str, alternatives: &[Alternative]) -> bool {
    let most = alternatives.iter().map(|one| one.conditions.len()).max().unwrap_or(0);
    let conditional = alternatives.iter().all(|one| !one.conditions.is_empty());
    let too_much = alternatives.len() > 1 && most > 1;
    conditional && most > 0 && (too_much || ScmpSyscall::from_name(name).is_err())
}

/// All conditions must hold at once, except where two are about one argument: libseccomp has no rule for that, and runc,
/// whose reading all profiles were written for, then takes each condition for a rule of its own. Without conditions
/// there is one rule that always holds.
pub(super) fn split(conditions: &[LinuxSeccompArg]) -> Vec<Vec<LinuxSeccompArg>> {
    let mut indices: Vec<usize> = conditions.iter().map(LinuxSeccompArg::index).collect();
    indices.sort_unstable();
    if indices.windows(2).any(|pair| pair.first() == pair.last()) {
        conditions.iter().map(|condition| vec![*condition]).collect()
    } else {
        vec![conditions.to_vec()]
    }
}

fn number(name: &str, arch: Arch) -> Option<u32> {
    match ScmpSyscall::from_name_by_arch(name, architecture::scmp(arch)) {
        Ok(call) if call.as_raw_syscall() >= 0 => u32::try_from(call.as_raw_syscall()).ok(),
        // A part of another call, which old kernels had nothing else for.
        Ok(_) => multiplexed::number(name, arch),
        Err(_) => Some(architecture::first_number(arch) + newer::number(name)?),
    }
}
