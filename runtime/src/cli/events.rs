//! `events`.

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use crate::oci::Error;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let _record = context.container(given)?;
    Err(Error::said("events: not yet"))
}
