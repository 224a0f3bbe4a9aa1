//! `checkpoint` and `restore`, which this runtime does not have.

use super::Outcome;
use super::arguments::{Flag, Parsed, switch, value};
use super::context::Context;
use crate::oci::Error;

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

pub(super) fn checkpoint(_: &Context, _: &Parsed) -> Outcome {
    Err(Error::said("checkpoint is not supported: this runtime has no CRIU integration"))
}

pub(super) fn restore(_: &Context, _: &Parsed) -> Outcome {
    Err(Error::said("restore is not supported: this runtime has no CRIU integration"))
}
