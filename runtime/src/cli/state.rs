//! `state`, and what `list` says of each container.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::Serialize;

use super::arguments::Parsed;
use super::context::Context;
use super::{Outcome, print};
use crate::oci::{Record, Status};

/// A container as engines read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    oci_version: String,
    pub(super) id: String,
    pub(super) pid: i32,
    pub(super) status: String,
    pub(super) bundle: PathBuf,
    rootfs: PathBuf,
    pub(super) created: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    annotations: HashMap<String, String>,
    pub(super) owner: String,
}

impl Shown {
    pub(super) fn of(record: &Record) -> Self {
        let status = record.status();
        Self {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped { 0 } else { record.pid },
            status: status.to_string(),
            bundle: record.bundle.clone(),
            rootfs: record.rootfs.clone(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner: String::new(),
        }
    }

    pub(super) fn with_owner(record: &Record) -> Self {
        let uid = fs::metadata(&record.folder).map_or(0, |status| status.uid());
        Self { owner: name_of(uid), ..Self::of(record) }
    }
}

/// From the host's own list of users: a static program has no other.
fn name_of(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let record = context.container(given)?;
    Ok(print(&serde_json::to_string_pretty(&Shown::of(&record))?))
}
