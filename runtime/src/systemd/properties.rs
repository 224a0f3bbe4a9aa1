//! Limits as properties of a unit (systemd.resource-control(5)), and those that annotations name.

use std::collections::HashMap;

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};

use super::wire::Value;

/// No limit, for the numbers of systemd.
const INFINITY: u64 = u64::MAX;
const DEFAULT_PERIOD_USEC: u64 = 100_000;
const USEC_PER_SEC: u64 = 1_000_000;
/// systemd keeps quotas in steps of 1 % of a processor.
const QUOTA_STEP_USEC: u64 = 10_000;

pub(super) type Properties = Vec<(String, Value)>;

/// The limits that systemd keeps, by the version of cgroups on this host. The files of the cgroup are written besides.
pub(super) fn of(resources: &LinuxResources, v2: bool) -> Properties {
    let mut properties = Properties::new();
    let mut put = |name: &str, value: Option<Value>| {
        properties.extend(value.map(|value| (name.to_owned(), value)));
    };
    if let Some(memory) = resources.memory() {
        memory_of(memory, v2, &mut put);
    }
    if let Some(cpu) = resources.cpu() {
        cpu_of(cpu, v2, &mut put);
    }
    let pids = resources.pids().as_ref().map(|pids| pids.limit()).filter(|limit| *limit != 0);
    put("TasksMax", pids.map(limit));
    let weight = resources.block_io().as_ref().and_then(|io| io.weight()).filter(|weight| *weight != 0);
    let (name, weight) = match v2 {
        true => ("IOWeight", weight.map(|weight| 1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990)),
        false => ("BlockIOWeight", weight.map(u64::from)),
    };
    put(name, weight.map(Value::Number64));
    properties
}

fn memory_of(memory: &LinuxMemory, v2: bool, put: &mut impl FnMut(&str, Option<Value>)) {
    let given = |value: Option<i64>| value.filter(|value| *value != 0);
    let max = given(memory.limit());
    put(if v2 { "MemoryMax" } else { "MemoryLimit" }, max.map(limit));
    if !v2 {
        return;
    }
    put("MemoryLow", given(memory.reservation()).map(limit));
    let swap = match (max, given(memory.swap())) {
        (_, Some(-1)) | (Some(-1), None) => Some(INFINITY),
        (Some(max), Some(swap)) => u64::try_from(swap - max).ok(),
        _ => None,
    };
    put("MemorySwapMax", swap.map(Value::Number64));
}

fn cpu_of(cpu: &LinuxCpu, v2: bool, put: &mut impl FnMut(&str, Option<Value>)) {
    let shares = cpu.shares().filter(|shares| *shares != 0);
    match v2 {
        true => {
            let weight = shares.map(|shares| 1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142);
            put("CPUWeight", weight.map(Value::Number64));
        }
        false => put("CPUShares", shares.map(Value::Number64)),
    }
    let period = cpu.period().filter(|period| *period != 0);
    put("CPUQuotaPeriodUSec", period.map(Value::Number64));
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let per_second = quota.map(|quota| match u64::try_from(quota) {
        Ok(quota) => {
            (quota * USEC_PER_SEC / period.unwrap_or(DEFAULT_PERIOD_USEC)).next_multiple_of(QUOTA_STEP_USEC)
        }
        Err(_) => INFINITY,
    });
    put("CPUQuotaPerSecUSec", per_second.map(Value::Number64));
    if v2 {
        let bits = |list: &Option<String>| list.as_deref().and_then(bit_mask).map(Value::Bytes);
        put("AllowedCPUs", bits(cpu.cpus()));
        put("AllowedMemoryNodes", bits(cpu.mems()));
    }
}

fn limit(value: i64) -> Value {
    Value::Number64(u64::try_from(value).unwrap_or(INFINITY))
}

/// A list such as `0-3,7` as systemd has it: bit n of the bytes for number n.
fn bit_mask(list: &str) -> Option<Vec<u8>> {
    const HIGHEST: usize = 8191;
    let mut bytes = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if last > HIGHEST {
            return None;
        }
        for number in first..=last {
            bytes.resize(bytes.len().max(number / 8 + 1), 0);
            if let Some(byte) = bytes.get_mut(number / 8) {
                *byte |= 1 << (number % 8);
            }
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// `org.systemd.property.<Name>` annotations, whose values are written as GVariant texts. `...Sec` names are given in
/// seconds and become `...USec`.
pub(super) fn of_annotations(annotations: &HashMap<String, String>) -> Result<Properties, String> {
    let mut properties = Properties::new();
    for (key, text) in annotations {
        let Some(name) = key.strip_prefix("org.systemd.property.") else { continue };
        let invalid = || format!("annotation {key}={text} value parse error");
        if name.len() < 3 || !name.bytes().all(|letter| letter.is_ascii_alphabetic()) {
            return Err(format!("annotation {key} name incorrect: {name}"));
        }
        let value = variant(text).ok_or_else(invalid)?;
        match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
            Some(stem) => {
                let value = micro_seconds(&value).ok_or_else(invalid)?;
                properties.push((format!("{stem}USec"), Value::Number64(value)));
            }
            None => properties.push((name.to_owned(), value)),
        }
    }
    properties.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(properties)
}

fn micro_seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Signed32(seconds) => u64::try_from(*seconds).ok()?.checked_mul(USEC_PER_SEC),
        Value::Number32(seconds) => u64::from(*seconds).checked_mul(USEC_PER_SEC),
        Value::Signed64(seconds) => u64::try_from(*seconds).ok()?.checked_mul(USEC_PER_SEC),
        Value::Number64(seconds) => seconds.checked_mul(USEC_PER_SEC),
        _ => None,
    }
}

/// The simple forms of a GVariant text: `true`, `5`, `uint64 5`, `'text'`, `['a', 'b']`.
fn variant(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let list: Option<Vec<String>> = list.split(',').map(|one| quoted(one.trim())).collect();
        return Some(Value::Texts(list?));
    }
    if let Some(text) = quoted(text) {
        return Some(Value::Text(text));
    }
    match text.split_once(' ').map(|(kind, number)| (kind, number.trim())) {
        Some(("uint64", number)) => number.parse().ok().map(Value::Number64),
        Some(("int64", number)) => number.parse().ok().map(Value::Signed64),
        Some(("uint32", number)) => number.parse().ok().map(Value::Number32),
        Some(("int32", number)) => number.parse().ok().map(Value::Signed32),
        Some(_) => None,
        None => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            number => number.parse().ok().map(Value::Signed32),
        },
    }
}

fn quoted(text: &str) -> Option<String> {
    let inner = ['\'', '"'].iter().find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark))?;
    Some(inner.replace("\\'", "'").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_bit_masks() {
        assert_eq!(bit_mask("0-2,9"), Some(vec![0b111, 0b10]));
        assert_eq!(bit_mask(""), None);
        assert_eq!(bit_mask("0-99999"), None);
    }

    #[test]
    fn annotations_become_properties() {
        let given = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
        let of = |name: &str, value: &str| of_annotations(&given(name, value));
        assert_eq!(
            of("org.systemd.property.TimeoutStopSec", "2").unwrap(),
            [("TimeoutStopUSec".to_owned(), Value::Number64(2_000_000))]
        );
        assert_eq!(
            of("org.systemd.property.CollectMode", "'inactive-or-failed'").unwrap(),
            [("CollectMode".to_owned(), Value::Text("inactive-or-failed".to_owned()))]
        );
        assert!(of("org.systemd.property.X", "1").is_err());
        assert!(of("org.systemd.property.After", "nonsense here").is_err());
        assert_eq!(of("org.other", "x").unwrap(), []);
    }

    #[test]
    fn limits_become_properties() {
        let resources = serde_json::json!({
            "memory": {"limit": 1000, "swap": 1500},
            "cpu": {"shares": 1024, "quota": 50_000, "period": 100_000},
            "pids": {"limit": -1},
        });
        let resources: LinuxResources = serde_json::from_value(resources).unwrap();
        let find = |name: &str| {
            of(&resources, true).into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
        };
        assert_eq!(find("MemorySwapMax"), Some(Value::Number64(500)));
        assert_eq!(find("CPUQuotaPerSecUSec"), Some(Value::Number64(500_000)));
        assert_eq!(find("TasksMax"), Some(Value::Number64(INFINITY)));
        assert_eq!(find("CPUWeight"), Some(Value::Number64(39)));
    }
}
