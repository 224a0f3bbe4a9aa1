//! What a container uses, as `events` prints it: the fields and units of runc's `events --stats`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::file::{number, read};
use super::{ContainerGroup, With};

/// User ticks of the kernel's counters in a second (USER_HZ).
const TICKS_PER_SECOND: u64 = 100;
const NANOSECONDS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SECOND;

impl ContainerGroup {
    /// The statistics now. What this host does not count is left at zero.
    pub fn stats(&self) -> Value {
        json!({
            "cpu": self.cpu_stats(),
            "cpuset": self.cpuset_stats(),
            "memory": self.memory_stats(),
            "pids": self.pids_stats(),
            "blkio": self.blkio_stats(),
            "hugetlb": self.hugetlb_stats(),
            "intel_rdt": {},
            "network_interfaces": null,
        })
    }

    fn cpu_stats(&self) -> Value {
        let (usage, throttling) = match self.with("cpuacct") {
            Some(With::First(folder)) => (usage_v1(folder), self.throttling_v1()),
            _ => self.unified_path().map_or((json!({}), json!({})), usage_v2),
        };
        json!({"usage": usage, "throttling": throttling})
    }

    fn throttling_v1(&self) -> Value {
        let stat = self.with("cpu").map(|with| keyed(with.path(), "cpu.stat")).unwrap_or_default();
        json!({
            "periods": get(&stat, "nr_periods"),
            "throttledPeriods": get(&stat, "nr_throttled"),
            "throttledTime": get(&stat, "throttled_time"),
        })
    }

    fn cpuset_stats(&self) -> Value {
        let Some(folder) = self.with("cpuset").map(With::path) else { return json!({}) };
        let flag = |file: &str| number(folder, file).unwrap_or(0);
        json!({
            "cpus": list(folder, "cpuset.cpus"),
            "cpu_exclusive": flag("cpuset.cpu_exclusive"),
            "mems": list(folder, "cpuset.mems"),
            "mem_hardwall": flag("cpuset.mem_hardwall"),
            "mem_exclusive": flag("cpuset.mem_exclusive"),
            "memory_migrate": flag("cpuset.memory_migrate"),
            "memory_spread_page": flag("cpuset.memory_spread_page"),
            "memory_spread_slab": flag("cpuset.memory_spread_slab"),
            "memory_pressure": flag("cpuset.memory_pressure"),
            "sched_load_balance": flag("cpuset.sched_load_balance"),
            "sched_relax_domain_level":
                read(folder, "cpuset.sched_relax_domain_level").ok().and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0),
        })
    }

    fn memory_stats(&self) -> Value {
        match self.with("memory") {
            Some(With::First(folder)) => memory_v1(folder),
            Some(With::Second(folder)) => memory_v2(folder),
            None => json!({}),
        }
    }

    fn pids_stats(&self) -> Value {
        let Some(folder) = self.with("pids").map(With::path) else { return json!({}) };
        let limit = number(folder, "pids.max").ok().filter(|limit| *limit != u64::MAX);
        json!({"current": number(folder, "pids.current").unwrap_or(0), "limit": limit.unwrap_or(0)})
    }

    fn blkio_stats(&self) -> Value {
        match self.with("blkio") {
            Some(With::First(folder)) => json!({
                "ioServiceBytesRecursive": entries_v1(folder, "blkio.throttle.io_service_bytes_recursive"),
                "ioServicedRecursive": entries_v1(folder, "blkio.throttle.io_serviced_recursive"),
            }),
            Some(With::Second(folder)) => entries_v2(folder),
            None => json!({}),
        }
    }

    fn hugetlb_stats(&self) -> Value {
        let mut sizes = Map::new();
        let Some(with) = self.with("hugetlb") else { return json!({}) };
        for entry in std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(size) = name.strip_prefix("hugepages-").and_then(page_size) else { continue };
            let get = |file: &str| number(with.path(), &format!("hugetlb.{size}.{file}")).unwrap_or(0);
            let (usage, max) = match with {
                With::First(_) => (get("usage_in_bytes"), get("max_usage_in_bytes")),
                With::Second(_) => (get("current"), 0),
            };
            sizes.insert(size.clone(), json!({"usage": usage, "max": max, "failcnt": get("failcnt")}));
        }
        Value::Object(sizes)
    }

    fn unified_path(&self) -> Option<&Path> {
        self.parts.iter().find(|part| part.root.is_unified()).map(|part| part.path.as_path())
    }
}

/// `2048kB` is called `2MB` there.
fn page_size(name: &str) -> Option<String> {
    let kibibytes: u64 = name.strip_suffix("kB")?.parse().ok()?;
    Some(match kibibytes {
        size if size >= 1 << 20 => format!("{}GB", size >> 20),
        size if size >= 1 << 10 => format!("{}MB", size >> 10),
        size => format!("{size}KB"),
    })
}

type Counters = Vec<(String, u64)>;

/// A file of `key number` lines.
fn keyed(folder: &Path, file: &str) -> Counters {
    let text = read(folder, file).unwrap_or_default();
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

fn get(counters: &Counters, key: &str) -> u64 {
    counters.iter().find(|(name, _)| name == key).map_or(0, |(_, value)| *value)
}

fn usage_v1(folder: &Path) -> Value {
    let stat = keyed(folder, "cpuacct.stat");
    let each = |file: &str| {
        let text = read(folder, file).unwrap_or_default();
        text.split_whitespace().filter_map(|number| number.parse::<u64>().ok()).collect::<Vec<_>>()
    };
    json!({
        "total": number(folder, "cpuacct.usage").unwrap_or(0),
        "percpu": each("cpuacct.usage_percpu"),
        "percpu_kernel": each("cpuacct.usage_percpu_sys"),
        "percpu_user": each("cpuacct.usage_percpu_user"),
        "kernel": get(&stat, "system") * NANOSECONDS_PER_TICK,
        "user": get(&stat, "user") * NANOSECONDS_PER_TICK,
    })
}

fn usage_v2(folder: &Path) -> (Value, Value) {
    let stat = keyed(folder, "cpu.stat");
    let usage = json!({
        "total": get(&stat, "usage_usec") * 1000,
        "kernel": get(&stat, "system_usec") * 1000,
        "user": get(&stat, "user_usec") * 1000,
    });
    let throttling = json!({
        "periods": get(&stat, "nr_periods"),
        "throttledPeriods": get(&stat, "nr_throttled"),
        "throttledTime": get(&stat, "throttled_usec") * 1000,
    });
    (usage, throttling)
}

/// A list such as `0-2,5`.
fn list(folder: &Path, file: &str) -> Vec<u64> {
    let text = read(folder, file).unwrap_or_default();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u64>().ok()?..=last.parse::<u64>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

fn memory_v1(folder: &Path) -> Value {
    let stat = keyed(folder, "memory.stat");
    let entry = |kind: &str| {
        let get = |file: &str| number(folder, &format!("memory.{kind}{file}")).unwrap_or(0);
        json!({
            "limit": get("limit_in_bytes"),
            "usage": get("usage_in_bytes"),
            "max": get("max_usage_in_bytes"),
            "failcnt": get("failcnt"),
        })
    };
    json!({
        "cache": get(&stat, "cache"),
        "usage": entry(""),
        "swap": entry("memsw."),
        "kernel": entry("kmem."),
        "kernelTCP": entry("kmem.tcp."),
        "raw": stat.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn memory_v2(folder: &Path) -> Value {
    let stat = keyed(folder, "memory.stat");
    let entry = |kind: &str| {
        let get = |file: &str| number(folder, &format!("{kind}.{file}")).unwrap_or(0);
        let events = keyed(folder, &format!("{kind}.events"));
        json!({
            "limit": get("max"),
            "usage": get("current"),
            "max": get("peak"),
            "failcnt": events.iter().find(|(name, _)| name == "max").map_or(0, |(_, value)| *value),
        })
    };
    json!({
        "cache": get(&stat, "file"),
        "usage": entry("memory"),
        "swap": entry("memory.swap"),
        "raw": stat.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

/// Lines such as `8:0 Read 4096`.
fn entries_v1(folder: &Path, file: &str) -> Vec<Value> {
    let text = read(folder, file).unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let (major, minor) = fields.next()?.split_once(':')?;
        let (op, value) = (fields.next()?, fields.next()?.parse::<u64>().ok()?);
        Some(json!({
            "major": major.parse::<u64>().ok()?,
            "minor": minor.parse::<u64>().ok()?,
            "op": op,
            "value": value,
        }))
    };
    text.lines().filter_map(entry).collect()
}

/// Lines such as `8:0 rbytes=4096 wbytes=0 rios=1 wios=0`.
fn entries_v2(folder: &Path) -> Value {
    let text = read(folder, "io.stat").unwrap_or_default();
    let (mut bytes, mut operations) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let Some((major, minor)) = fields.next().and_then(|device| device.split_once(':')) else { continue };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut bytes, "Read"),
                "wbytes" => (&mut bytes, "Write"),
                "rios" => (&mut operations, "Read"),
                "wios" => (&mut operations, "Write"),
                _ => continue,
            };
            let number = |text: &str| text.parse::<u64>().unwrap_or(0);
            list.push(
                json!({"major": number(major), "minor": number(minor), "op": op, "value": number(value)}),
            );
        }
    }
    json!({"ioServiceBytesRecursive": bytes, "ioServicedRecursive": operations})
}
