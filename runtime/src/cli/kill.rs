//! `kill`.

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use crate::oci;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let record = context.container(given)?;
    let signal = oci::parse_signal(given.rest.get(1).map_or("SIGTERM", String::as_str))?;
    oci::kill(&record, signal, given.has("all")).map(|()| 0)
}
