//! `delete`.

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use crate::oci;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    oci::delete(&context.root, given.id(), given.has("force")).map(|()| 0)
}
