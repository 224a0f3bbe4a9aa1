//! When and where a process runs: scheduler, io priority, processors (config.md, "Linux Process").

use oci_spec::runtime::{IOPriorityClass, LinuxSchedulerFlag, LinuxSchedulerPolicy, Process, Scheduler};

use crate::spec::SpecError;
use crate::sys::scheduling::SchedulerAttributes;

/// What is set of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// For sched_setattr(2).
    pub scheduler: Option<SchedulerAttributes>,
    /// For ioprio_set(2).
    pub io_priority: Option<IoPriority>,
    /// Processors before a process that joins is in the container's cgroup.
    pub initial_cpus: Option<CpuSet>,
    /// Processors from then on.
    pub final_cpus: Option<CpuSet>,
}

/// Class and level for ioprio_set(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoPriority {
    /// 1 real-time, 2 best-effort, 3 idle.
    pub class: u16,
    /// 0 (first) to 7.
    pub level: u16,
}

/// Numbers of processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuSet(pub Vec<usize>);

/// Above the number of processors of any kernel (NR_CPUS is at most 8192).
const MAX_CPU: usize = 8191;

impl Scheduling {
    pub(super) fn read(process: &Process) -> Result<Self, SpecError> {
        let affinity = process.exec_cpu_affinity().as_ref();
        let cpus = |list: &Option<String>| {
            list.as_deref().filter(|list| !list.is_empty()).map(CpuSet::parse).transpose()
        };
        Ok(Self {
            scheduler: process.scheduler().as_ref().map(attributes).transpose()?,
            io_priority: process.io_priority().as_ref().map(io_priority).transpose()?,
            initial_cpus: affinity.map(|given| cpus(given.initial())).transpose()?.flatten(),
            final_cpus: affinity.map(|given| cpus(given.cpu_affinity_final())).transpose()?.flatten(),
        })
    }
}

impl CpuSet {
    /// Reads a list such as `0-3,7`.
    fn parse(list: &str) -> Result<Self, SpecError> {
        let refused = || SpecError::invalid("process.execCPUAffinity", list, "is not a list of processors");
        let mut cpus = Vec::new();
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().ok().filter(|cpu| *cpu <= MAX_CPU);
            let (first, last) = number(first).zip(number(last)).ok_or_else(refused)?;
            if first > last {
                return Err(refused());
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }
}

fn io_priority(given: &oci_spec::runtime::LinuxIOPriority) -> Result<IoPriority, SpecError> {
    let class = match given.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let level = u16::try_from(given.priority()).ok().filter(|level| *level <= 7).ok_or_else(|| {
        SpecError::invalid("process.ioPriority.priority", given.priority(), "must be from 0 to 7")
    })?;
    Ok(IoPriority { class, level })
}

fn attributes(given: &Scheduler) -> Result<SchedulerAttributes, SpecError> {
    let policy = policy(*given.policy());
    let is_realtime = matches!(policy, 1 | 2);
    let priority = given.priority().unwrap_or(0);
    if !is_realtime && priority != 0 {
        let rule = "is for SCHED_FIFO and SCHED_RR only";
        return Err(SpecError::invalid("process.scheduler.priority", priority, rule));
    }
    let deadline = [*given.runtime(), *given.deadline(), *given.period()].map(Option::unwrap_or_default);
    if policy != 6 && deadline.iter().any(|time| *time != 0) {
        let rule = "takes no runtime, deadline or period";
        return Err(SpecError::invalid("process.scheduler.policy", given.policy(), rule));
    }
    let [runtime, deadline, period] = deadline;
    Ok(SchedulerAttributes {
        policy,
        flags: given.flags().iter().flatten().map(|flag| flag_bit(*flag)).sum(),
        nice: given.nice().unwrap_or(0),
        priority: u32::try_from(priority).map_err(|_| {
            SpecError::invalid("process.scheduler.priority", priority, "must not be negative")
        })?,
        runtime,
        deadline,
        period,
    })
}

/// `SCHED_*` of the kernel.
fn policy(policy: LinuxSchedulerPolicy) -> u32 {
    match policy {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    }
}

/// `SCHED_FLAG_*` of the kernel.
fn flag_bit(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}
