//! From an OCI seccomp profile to libseccomp's form.

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

use super::CompileError;

const EPERM: u32 = 1;

pub(super) fn context(profile: &LinuxSeccomp) -> Result<ScmpFilterContext, CompileError> {
    refuse(profile)?;
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let mut context = ScmpFilterContext::new(default)?;
    // An architecture that the profile does not name has no business here; programs see that it does not exist.
    context.set_act_badarch(ScmpAction::Errno(38))?;
    // A binary tree in place of a chain of hundreds of comparisons.
    context.set_ctl_optimize(2)?;
    for name in profile.architectures().iter().flatten() {
        context.add_arch(arch(*name)?)?;
    }
    for rule in profile.syscalls().iter().flatten() {
        add(&mut context, rule, default)?;
    }
    Ok(context)
}

fn refuse(profile: &LinuxSeccomp) -> Result<(), CompileError> {
    let fields = [
        ("listenerPath", profile.listener_path().is_some()),
        ("listenerMetadata", profile.listener_metadata().is_some()),
        ("flags", profile.flags().as_ref().is_some_and(|flags| !flags.is_empty())),
    ];
    match fields.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(CompileError::Unsupported((*name).to_owned())),
        None => Ok(()),
    }
}

fn add(
    context: &mut ScmpFilterContext,
    rule: &LinuxSyscall,
    default: ScmpAction,
) -> Result<(), CompileError> {
    let action = action(rule.action(), rule.errno_ret())?;
    if action == default {
        return Ok(());
    }
    let conditions: Vec<ScmpArgCompare> =
        rule.args().iter().flatten().map(condition).collect::<Result<_, _>>()?;
    for name in rule.names() {
        // A name that this libseccomp does not know is that of a newer kernel (see `newer`) or another architecture.
        let Ok(call) = ScmpSyscall::from_name(name) else { continue };
        if conditions.is_empty() {
            context.add_rule(action, call)?;
        } else {
            context.add_rule_conditional(action, call, &conditions)?;
        }
    }
    Ok(())
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<ScmpAction, CompileError> {
    let errno = i32::try_from(errno.unwrap_or(EPERM)).unwrap_or(i32::MAX);
    match action {
        LinuxSeccompAction::ScmpActAllow => Ok(ScmpAction::Allow),
        LinuxSeccompAction::ScmpActErrno => Ok(ScmpAction::Errno(errno)),
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => Ok(ScmpAction::KillThread),
        LinuxSeccompAction::ScmpActKillProcess => Ok(ScmpAction::KillProcess),
        LinuxSeccompAction::ScmpActTrap => Ok(ScmpAction::Trap),
        LinuxSeccompAction::ScmpActLog => Ok(ScmpAction::Log),
        LinuxSeccompAction::ScmpActNotify | LinuxSeccompAction::ScmpActTrace => {
            Err(CompileError::Unsupported(format!("action {action}")))
        }
    }
}

fn condition(argument: &LinuxSeccompArg) -> Result<ScmpArgCompare, CompileError> {
    let number = u32::try_from(argument.index()).ok().filter(|number| *number < 6);
    let number = number.ok_or_else(|| CompileError::Unsupported(format!("argument {}", argument.index())))?;
    let (value, second) = (argument.value(), argument.value_two().unwrap_or(0));
    Ok(match argument.op() {
        // OCI has the mask first and then what must remain.
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            ScmpArgCompare::new(number, ScmpCompareOp::MaskedEqual(value), second)
        }
        LinuxSeccompOperator::ScmpCmpNe => ScmpArgCompare::new(number, ScmpCompareOp::NotEqual, value),
        LinuxSeccompOperator::ScmpCmpLt => ScmpArgCompare::new(number, ScmpCompareOp::Less, value),
        LinuxSeccompOperator::ScmpCmpLe => ScmpArgCompare::new(number, ScmpCompareOp::LessOrEqual, value),
        LinuxSeccompOperator::ScmpCmpEq => ScmpArgCompare::new(number, ScmpCompareOp::Equal, value),
        LinuxSeccompOperator::ScmpCmpGe => ScmpArgCompare::new(number, ScmpCompareOp::GreaterEqual, value),
        LinuxSeccompOperator::ScmpCmpGt => ScmpArgCompare::new(number, ScmpCompareOp::Greater, value),
    })
}

fn arch(arch: Arch) -> Result<ScmpArch, CompileError> {
    match arch {
        Arch::ScmpArchNative => Ok(ScmpArch::Native),
        Arch::ScmpArchX86 => Ok(ScmpArch::X86),
        Arch::ScmpArchX86_64 => Ok(ScmpArch::X8664),
        Arch::ScmpArchX32 => Ok(ScmpArch::X32),
        Arch::ScmpArchArm => Ok(ScmpArch::Arm),
        Arch::ScmpArchAarch64 => Ok(ScmpArch::Aarch64),
        Arch::ScmpArchRiscv64 => Ok(ScmpArch::Riscv64),
        other => Err(CompileError::Unsupported(format!("architecture {other:?}"))),
    }
}
