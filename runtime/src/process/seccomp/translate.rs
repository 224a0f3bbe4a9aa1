//! From an OCI seccomp profile to libseccomp's form.

use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

use super::budget::Budget;
use super::{CompileError, architecture};

const EPERM: u32 = 1;
const ENOSYS: i32 = 38;

/// Of a profile that was checked.
pub(super) fn context(profile: &LinuxSeccomp) -> Result<ScmpFilterContext, CompileError> {
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
    let mut budget = Budget::new(architecture::of(profile).len());
    for rule in profile.syscalls().iter().flatten() {
        add(&mut context, &mut budget, rule, default)?;
    }
    budget.check(&context)?;
    Ok(context)
}

fn add(
    context: &mut ScmpFilterContext,
    budget: &mut Budget,
    rule: &LinuxSyscall,
    default: ScmpAction,
) -> Result<(), CompileError> {
    let action = action(rule.action(), rule.errno_ret());
    if action == default {
        return Ok(());
    }
    let conditions: Vec<ScmpArgCompare> = rule.args().iter().flatten().map(condition).collect();
    let alternatives = alternatives(rule.args().as_deref().unwrap_or_default(), &conditions);
    for name in rule.names() {
        // A name that this libseccomp does not know is that of a newer kernel (see `stub`) or another architecture.
        let Ok(call) = ScmpSyscall::from_name(name) else { continue };
        add_call(context, action, call, &alternatives)
            .map_err(|source| CompileError::Rule { call: name.clone(), source })?;
        budget.add(context, conditions.len())?;
    }
    Ok(())
}

fn add_call(
    context: &mut ScmpFilterContext,
    action: ScmpAction,
    call: ScmpSyscall,
    alternatives: &[&[ScmpArgCompare]],
) -> Result<(), SeccompError> {
    if alternatives.is_empty() {
        context.add_rule(action, call)?;
    }
    for conditions in alternatives {
        context.add_rule_conditional(action, call, conditions)?;
    }
    Ok(())
}

/// All conditions must hold at once, except where two are about one argument: libseccomp has no rule for that, and runc,
/// whose reading all profiles were written for, then takes each condition for a rule of its own.
fn alternatives<'a>(
    arguments: &[LinuxSeccompArg],
    conditions: &'a [ScmpArgCompare],
) -> Vec<&'a [ScmpArgCompare]> {
    let mut indices: Vec<usize> = arguments.iter().map(LinuxSeccompArg::index).collect();
    indices.sort_unstable();
    let repeated = indices.windows(2).any(|pair| pair.first() == pair.last());
    if repeated {
        conditions.chunks(1).collect()
    } else {
        conditions.chunks(conditions.len().max(1)).collect()
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
