//! `start`.

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use crate::oci;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    oci::start(&context.container(given)?).map(|()| 0)
}
