//! Processor time (config-linux.md, "CPU").

use std::path::Path;

use nix::libc::EINVAL;
use oci_spec::runtime::LinuxCpu;

use super::file::{read, write};
use super::{ContainerGroup, With};
use crate::cgroup::Error;

const DEFAULT_PERIOD_USEC: u64 = 100_000;

pub(super) fn set(group: &ContainerGroup, cpu: &LinuxCpu) -> Result<(), Error> {
    let numbers = [cpu.shares(), cpu.period(), cpu.realtime_period()].map(|given| given.unwrap_or(0));
    let signed = [cpu.quota(), cpu.realtime_runtime()].map(|given| given.unwrap_or(0));
    let asked = numbers.iter().any(|given| *given != 0) || signed.iter().any(|given| *given != 0);
    if !asked && cpu.idle().is_none() && cpu.burst().is_none() {
        return Ok(());
    }
    match group.needed("cpu")? {
        With::First(folder) => set_v1(folder, cpu),
        With::Second(folder) => set_v2(folder, cpu),
    }
}

fn given<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

fn set_v1(folder: &Path, cpu: &LinuxCpu) -> Result<(), Error> {
    if let Some(shares) = given(cpu.shares()) {
        write(folder, "cpu.shares", &shares.to_string())?;
        check_shares(folder, shares)?;
    }
    quota_v1(folder, given(cpu.period()), given(cpu.quota()))?;
    if let Some(burst) = cpu.burst() {
        write(folder, "cpu.cfs_burst_us", &burst.to_string())?;
    }
    if let Some(idle) = cpu.idle() {
        write(folder, "cpu.idle", &idle.to_string())?;
    }
    if let Some(period) = given(cpu.realtime_period()) {
        write(folder, "cpu.rt_period_us", &period.to_string())?;
    }
    given(cpu.realtime_runtime())
        .map_or(Ok(()), |runtime| write(folder, "cpu.rt_runtime_us", &runtime.to_string()))
}

/// The kernel cuts shares to its bounds without a word.
fn check_shares(folder: &Path, wanted: u64) -> Result<(), Error> {
    let set: u64 = read(folder, "cpu.shares")?.trim().parse().unwrap_or(wanted);
    match set {
        set if wanted > set => Err(Error::Said(format!("the maximum allowed cpu-shares is {set}"))),
        set if wanted < set => Err(Error::Said(format!("the minimum allowed cpu-shares is {set}"))),
        _ => Ok(()),
    }
}

/// A shorter period may not fit the old quota below a limited parent: then the quota comes first.
fn quota_v1(folder: &Path, period: Option<u64>, quota: Option<i64>) -> Result<(), Error> {
    let put_period =
        || period.map_or(Ok(()), |period| write(folder, "cpu.cfs_period_us", &period.to_string()));
    let mut again = false;
    match put_period() {
        Err(error) if quota.is_some() && error.errno() == Some(EINVAL) => again = true,
        result => result?,
    }
    if let Some(quota) = quota {
        write(folder, "cpu.cfs_quota_us", &quota.to_string())?;
    }
    if again { put_period() } else { Ok(()) }
}

fn set_v2(folder: &Path, cpu: &LinuxCpu) -> Result<(), Error> {
    if given(cpu.realtime_period()).is_some() || given(cpu.realtime_runtime()).is_some() {
        return Err(Error::Said("real-time cpu limits are not available on cgroup v2".to_owned()));
    }
    if let Some(idle) = cpu.idle() {
        write(folder, "cpu.idle", &idle.to_string())?;
    }
    if let Some(shares) = given(cpu.shares()) {
        write(folder, "cpu.weight", &weight(shares).to_string())?;
    }
    let (period, quota) = (given(cpu.period()), given(cpu.quota()));
    if period.is_some() || quota.is_some() {
        let before = read(folder, "cpu.max").unwrap_or_default();
        write(folder, "cpu.max", &maximum(&before, period, quota))?;
    }
    cpu.burst().map_or(Ok(()), |burst| write(folder, "cpu.max.burst", &burst.to_string()))
}

/// What is not given stays as it is.
fn maximum(before: &str, period: Option<u64>, quota: Option<i64>) -> String {
    let mut before = before.split_whitespace();
    let old_quota = before.next().unwrap_or("max");
    let old_period = before.next().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_PERIOD_USEC);
    let quota = match quota {
        None => old_quota.to_owned(),
        Some(quota) if quota < 0 => "max".to_owned(),
        Some(quota) => quota.to_string(),
    };
    format!("{quota} {}", period.unwrap_or(old_period))
}

/// From shares (2 to 262144) to a weight (1 to 10000), as every engine does it.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights() {
        assert_eq!([2, 1024, 262_144].map(weight), [1, 39, 10_000]);
    }

    #[test]
    fn half_a_quota_keeps_the_other_half() {
        assert_eq!(maximum("max 100000\n", Some(50_000), None), "max 50000");
        assert_eq!(maximum("2000 50000\n", None, Some(1000)), "1000 50000");
        assert_eq!(maximum("", None, Some(-1)), "max 100000");
    }
}
