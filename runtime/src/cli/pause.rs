//! `pause` and `resume`.

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use crate::oci;

pub(super) fn pause(context: &Context, given: &Parsed) -> Outcome {
    oci::pause(&context.container(given)?).map(|()| 0)
}

pub(super) fn resume(context: &Context, given: &Parsed) -> Outcome {
    oci::resume(&context.container(given)?).map(|()| 0)
}
