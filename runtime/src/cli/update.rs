//! `update`.

use std::io::Read;

use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::arguments::Parsed;
use super::context::Context;
use super::{Outcome, bytes};
use crate::oci::{self, Error};

/// Longest document that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Flags that hold a plain number: name, part of the document, field.
const NUMBERS: [(&str, &str, &str); 7] = [
    ("blkio-weight", "blockIO", "weight"),
    ("cpu-period", "cpu", "period"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-share", "cpu", "shares"),
    ("cpu-rt-period", "cpu", "realtimePeriod"),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
    ("pids-limit", "pids", "limit"),
];
const TEXTS: [(&str, &str, &str); 2] = [("cpuset-cpus", "cpu", "cpus"), ("cpuset-mems", "cpu", "mems")];
const SIZES: [(&str, &str, &str); 3] = [
    ("memory", "memory", "limit"),
    ("memory-reservation", "memory", "reservation"),
    ("memory-swap", "memory", "swap"),
];

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let record = context.container(given)?;
    for name in ["l3-cache-schema", "mem-bw-schema"] {
        if given.filled(name).is_some() {
            return Err(Error::said(format!("--{name}: Intel RDT is not supported")));
        }
    }
    for name in ["kernel-memory", "kernel-memory-tcp"] {
        if given.filled(name).is_some() {
            context.log.warn("Kernel memory settings are ignored and will be removed");
        }
    }
    let document = match given.filled("resources") {
        Some(path) => read(path)?,
        None => from_flags(given)?,
    };
    let resources: LinuxResources = serde_json::from_value(document)?;
    oci::update(&record, &resources).map(|()| 0)
}

fn read(path: &str) -> Result<Value, Error> {
    let mut text = Vec::new();
    let read = match path {
        "-" => std::io::stdin().take(MAX_BYTES).read_to_end(&mut text),
        path => std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text)),
    };
    read.map_err(Error::file("open", path))?;
    Ok(serde_json::from_slice(&text)?)
}

/// The document that says the same as the flags.
fn from_flags(given: &Parsed) -> Result<Value, Error> {
    let mut document = Map::new();
    let mut put = |part: &str, field: &str, value: Value| {
        let part = document.entry(part).or_insert_with(|| json!({}));
        if let Some(part) = part.as_object_mut() {
            part.insert(field.to_owned(), value);
        }
    };
    let invalid = |name: &str, text: &str| Error::said(format!("invalid value for {name}: {text:?}"));
    for (name, part, field) in NUMBERS {
        if let Some(text) = given.filled(name) {
            put(part, field, json!(text.parse::<i64>().map_err(|_| invalid(name, text))?));
        }
    }
    for (name, part, field) in TEXTS {
        if let Some(text) = given.filled(name) {
            put(part, field, json!(text));
        }
    }
    for (name, part, field) in SIZES {
        if let Some(text) = given.filled(name) {
            let size = if text == "-1" { Some(-1) } else { bytes::parse(text) };
            put(part, field, json!(size.ok_or_else(|| invalid(name, text))?));
        }
    }
    Ok(Value::Object(document))
}
