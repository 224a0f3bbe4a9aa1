//! `run`.

use nix::sys::prctl;

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use super::create::options;
use crate::oci::{self, Error};

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    oci::protect_program()?;
    let options = options(context, given)?;
    context.log.trace_start("init");
    if !options.detach && !given.has("no-subreaper") {
        prctl::set_child_subreaper(true)
            .map_err(|errno| Error::said(format!("become a subreaper: {errno}")))?;
    }
    let (status, warnings) = oci::run(&context.root, given.id(), &options)?;
    context.log.warn_all(&warnings);
    Ok(status)
}
