//! `checkpoint` and `restore`, which this runtime does not have.

use std::path::Path;

use super::Outcome;
use super::arguments::{Flag, Parsed, switch, value};
use super::context::Context;
use crate::oci::{Error, Status};

/// Those of runc, so that whoever asks hears the reason.
pub(super) const FLAGS: &[Flag] = &[
    value(&["image-path"], ""),
    value(&["work-path"], ""),
    value(&["parent-path"], ""),
    switch(&["leave-running"], ""),
    switch(&["tcp-established"], ""),
    switch(&["ext-unix-sk"], ""),
    switch(&["shell-job"], ""),
    switch(&["lazy-pages"], ""),
    value(&["status-fd"], ""),
    value(&["page-server"], ""),
    switch(&["file-locks"], ""),
    switch(&["pre-dump"], ""),
    value(&["manage-cgroups-mode"], ""),
    value(&["empty-ns"], ""),
    switch(&["auto-dedup"], ""),
    value(&["console-socket"], ""),
    value(&["bundle", "b"], ""),
    switch(&["detach", "d"], ""),
    value(&["pid-file"], ""),
    switch(&["no-subreaper"], ""),
    switch(&["no-pivot"], ""),
    value(&["lsm-profile"], ""),
    value(&["lsm-mount-context"], ""),
];

pub(super) fn checkpoint(context: &Context, given: &Parsed) -> Outcome {
    let record = context.container(given)?;
    if record.status() == Status::Stopped {
        return Err(Error::said("Container cannot be checkpointed in stopped state"));
    }
    check_parent(given)?;
    Err(Error::said("checkpoint is not supported: this runtime has no CRIU integration"))
}

/// A wrong argument is told before a missing feature.
fn check_parent(given: &Parsed) -> Result<(), Error> {
    let Some(parent) = given.filled("parent-path") else { return Ok(()) };
    let images = Path::new(given.filled("image-path").unwrap_or("checkpoint"));
    match Path::new(parent).is_absolute() {
        true => Err(Error::said("--parent-path must be relative")),
        false if !images.join(parent).is_dir() => Err(Error::said(format!(
            "invalid --parent-path: no folder {parent:?} below {}",
            images.display()
        ))),
        false => Ok(()),
    }
}

pub(super) fn restore(_: &Context, _: &Parsed) -> Outcome {
    Err(Error::said("restore is not supported: this runtime has no CRIU integration"))
}
