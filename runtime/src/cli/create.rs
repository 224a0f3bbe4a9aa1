//! `create`.

use std::path::PathBuf;

use super::Outcome;
use super::arguments::Parsed;
use super::context::Context;
use crate::oci::{self, CreateOptions, Error};

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    oci::protect_program()?;
    let options = options(context, given)?;
    context.log.trace_start("init");
    let warnings = oci::create(&context.root, given.id(), &options)?;
    context.log.warn_all(&warnings);
    Ok(0)
}

/// What the flags say, for `run` as well.
pub(super) fn options(context: &Context, given: &Parsed) -> Result<CreateOptions, Error> {
    Ok(CreateOptions {
        bundle: given.filled("bundle").unwrap_or(".").into(),
        pid_file: path(given, "pid-file"),
        console_socket: path(given, "console-socket"),
        detach: given.has("detach"),
        keep: given.has("keep"),
        no_pivot: given.has("no-pivot"),
        no_new_keyring: given.has("no-new-keyring"),
        preserve_fds: preserved(given)?,
        cgroup: context.cgroup,
    })
}

pub(super) fn path(given: &Parsed, name: &str) -> Option<PathBuf> {
    given.filled(name).map(PathBuf::from)
}

pub(super) fn preserved(given: &Parsed) -> Result<u32, Error> {
    let Some(text) = given.text("preserve-fds") else { return Ok(0) };
    text.parse().map_err(|_| Error::said(format!("invalid value {text:?} for flag -preserve-fds")))
}
