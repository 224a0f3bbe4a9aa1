//! `list`.

use super::arguments::Parsed;
use super::context::Context;
use super::state::Shown;
use super::{Outcome, print, table};
use crate::oci::Error;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let mut shown = Vec::new();
    for id in context.root.ids()? {
        match context.root.open(&id) {
            Ok(record) => shown.push(Shown::with_owner(&record)),
            // It is being made or deleted right now.
            Err(error) => context.log.warn(&format!("load container {id}: {error}")),
        }
    }
    if given.has("quiet") {
        return Ok(print(&shown.iter().map(|one| format!("{}\n", one.id)).collect::<String>()));
    }
    match given.text("format").unwrap_or("table") {
        "table" => Ok(print(&table::text(&rows(&shown)))),
        "json" if shown.is_empty() => Ok(print("null\n")),
        "json" => Ok(print(&format!("{}\n", serde_json::to_string(&shown)?))),
        _ => Err(Error::said("invalid format option")),
    }
}

fn rows(shown: &[Shown]) -> Vec<Vec<String>> {
    let title = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned).to_vec();
    let row = |one: &Shown| {
        vec![
            one.id.clone(),
            one.pid.to_string(),
            one.status.clone(),
            one.bundle.display().to_string(),
            one.created.clone(),
            one.owner.clone(),
        ]
    };
    std::iter::once(title).chain(shown.iter().map(row)).collect()
}
