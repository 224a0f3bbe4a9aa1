//! When and where this process runs: scheduler, io priority, execution domain.

use nix::Result;
use nix::errno::Errno;

/// `struct sched_attr` of the kernel, without its size (sched_setattr(2)). Times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchedulerAttributes {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For the ordinary policies.
    pub nice: i32,
    /// For the real-time policies.
    pub priority: u32,
    /// For `SCHED_DEADLINE`.
    pub runtime: u64,
    /// For `SCHED_DEADLINE`.
    pub deadline: u64,
    /// For `SCHED_DEADLINE`.
    pub period: u64,
}

#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Sets the scheduler of this process.
///
/// # Errors
/// What `sched_setattr` gives.
pub fn set_scheduler(attributes: &SchedulerAttributes) -> Result<()> {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: attributes.policy,
        flags: attributes.flags,
        nice: attributes.nice,
        priority: attributes.priority,
        runtime: attributes.runtime,
        deadline: attributes.deadline,
        period: attributes.period,
    };
    // SAFETY: the kernel reads as many bytes as the structure's first field says, which is its true size.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    Errno::result(result).map(drop)
}

/// Sets class and level of this process's input and output.
///
/// # Errors
/// What `ioprio_set` gives.
pub fn set_io_priority(class: u16, level: u16) -> Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let value = libc::c_int::from(level) | libc::c_int::from(class) << CLASS_SHIFT;
    // SAFETY: the call takes integers by value.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) }).map(drop)
}

/// Sets the execution domain of this process.
///
/// # Errors
/// What `personality` gives.
pub fn set_personality(domain: u64) -> Result<()> {
    // SAFETY: the call takes an integer by value.
    Errno::result(unsafe { libc::personality(domain) }).map(drop)
}
