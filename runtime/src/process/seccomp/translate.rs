//! From an OCI seccomp profile to libseccomp's form.

use std::collections::HashSet;

use libseccomp::error::{SeccompErrno, SeccompError};
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

use super::involved::{Involved, split};
use super::{CompileError, architecture, multiplexed};

const EPERM: u32 = 1;
const ENOSYS: i32 = 38;

/// Of a profile that was checked, without the calls that are involved.
pub(super) fn context(
    profile: &LinuxSeccomp,
    involved: &Involved<'_>,
) -> Result<ScmpFilterContext, CompileError> {
    let default = action(profile.default_action(), profile.default_errno_ret());
    let mut context = ScmpFilterContext::new(default)?;
    // An architecture that the profile does not name has no business here; programs see that it does not exist.
    context.set_act_badarch(ScmpAction::Errno(ENOSYS))?;
    // A binary tree in place of a chain of hundreds of comparisons.
    context.set_ctl_optimize(2)?;
    for arch in profile.architectures().iter().flatten() {
        context
            .add_arch(architecture::scmp(*arch))
            .map_err(|_| CompileError::Unsupported { field: "architectures", value: arch.to_string() })?;
    }
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let rules = || rules.iter().filter(|rule| action(rule.action(), rule.errno_ret()) != default);
    // One without conditions takes the others of its call in; libseccomp need not put those together first.
    let (plain, conditional): (Vec<_>, Vec<_>) = rules().partition(|rule| is_plain(rule));
    let settled: HashSet<&str> = plain.iter().flat_map(|rule| rule.names()).map(String::as_str).collect();
    for rule in plain {
        add(&mut context, rule, |_| true, involved)?;
    }
    for rule in conditional {
        add(&mut context, rule, |name| !settled.contains(name), involved)?;
    }
    Ok(context)
}

fn is_plain(rule: &LinuxSyscall) -> bool {
    rule.args().as_ref().is_none_or(Vec::is_empty)
}

fn add(
    context: &mut ScmpFilterContext,
    rule: &LinuxSyscall,
    is_wanted: impl Fn(&str) -> bool,
    involved: &Involved<'_>,
) -> Result<(), CompileError> {
    let action = action(rule.action(), rule.errno_ret());
    let alternatives = split(rule.args().as_deref().unwrap_or_default());
    let alternatives: Vec<Vec<ScmpArgCompare>> =
        alternatives.iter().map(|conditions| conditions.iter().map(condition).collect()).collect();
    for name in rule.names().iter().filter(|name| is_wanted(name)) {
        // A name that this libseccomp does not know is that of a newer kernel (see `stub`).
        let Ok(call) = ScmpSyscall::from_name(name) else { continue };
        let added = if involved.has(name) {
            refuse_whole(context, action, name, involved)
        } else {
            alternatives.iter().try_for_each(|conditions| match conditions.as_slice() {
                [] => add_call(context, action, call, &[]),
                conditions => first_wins(add_call(context, action, call, conditions)),
            })
        };
        added.map_err(|source| CompileError::Rule { call: name.clone(), source })?;
    }
    Ok(())
}

fn add_call(
    context: &mut ScmpFilterContext,
    action: ScmpAction,
    call: ScmpSyscall,
    conditions: &[ScmpArgCompare],
) -> Result<(), SeccompError> {
    if conditions.is_empty() {
        context.add_rule(action, call)?;
    } else {
        context.add_rule_conditional(action, call, conditions)?;
    }
    Ok(())
}

/// Where an involved call is also a part of another one, whose arguments lie in memory, what refuses it under some
/// conditions refuses all of that part, and what allows it allows nothing.
fn refuse_whole(
    context: &mut ScmpFilterContext,
    action: ScmpAction,
    name: &str,
    involved: &Involved<'_>,
) -> Result<(), SeccompError> {
    let allows = matches!(action, ScmpAction::Allow | ScmpAction::Log | ScmpAction::Trace(_));
    let raw = ScmpSyscall::from_name_by_arch(name, ScmpArch::X86)?.as_raw_syscall();
    match multiplexed::whole(raw).filter(|_| involved.is_multiplexed() && !allows) {
        Some((whole, part)) => {
            let is_part = ScmpArgCompare::new(0, ScmpCompareOp::Equal, part);
            first_wins(add_call(context, action, ScmpSyscall::from_name(whole)?, &[is_part]))
        }
        None => Ok(()),
    }
}

/// Two rules may answer one call, or one part of a call, in different ways: the first one does, as in our own filter.
fn first_wins(added: Result<(), SeccompError>) -> Result<(), SeccompError> {
    match added {
        Err(error) if error.errno() == Some(SeccompErrno::EEXIST) => Ok(()),
        other => other,
    }
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> ScmpAction {
    let errno = u16::try_from(errno.unwrap_or(EPERM)).unwrap_or(u16::MAX);
    match action {
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(errno.into()),
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => ScmpAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActNotify => ScmpAction::Notify,
        LinuxSeccompAction::ScmpActTrace => ScmpAction::Trace(errno),
    }
}

fn condition(argument: &LinuxSeccompArg) -> ScmpArgCompare {
    let number = u32::try_from(argument.index()).unwrap_or(u32::MAX);
    let (value, second) = (argument.value(), argument.value_two().unwrap_or(0));
    let (operator, value) = match argument.op() {
        // OCI has the mask first and then what must remain.
        LinuxSeccompOperator::ScmpCmpMaskedEq => (ScmpCompareOp::MaskedEqual(value), second),
        LinuxSeccompOperator::ScmpCmpNe => (ScmpCompareOp::NotEqual, value),
        LinuxSeccompOperator::ScmpCmpLt => (ScmpCompareOp::Less, value),
        LinuxSeccompOperator::ScmpCmpLe => (ScmpCompareOp::LessOrEqual, value),
        LinuxSeccompOperator::ScmpCmpEq => (ScmpCompareOp::Equal, value),
        LinuxSeccompOperator::ScmpCmpGe => (ScmpCompareOp::GreaterEqual, value),
        LinuxSeccompOperator::ScmpCmpGt => (ScmpCompareOp::Greater, value),
    };
    ScmpArgCompare::new(number, operator, value)
}
