//! Changes of the host for the way out, and how they are told. Whether there are any is root's decision.

use super::log;
use super::node::NodeFile;
use crate::failure::{Failure, StepError};
use crate::net::host;

/// Makes what is missing.
pub(super) fn configure(node: &NodeFile) {
    tell("let sessions pass this host", host::configure(&node.host_record(), &node.way_out()));
}

/// Takes everything back.
pub(super) fn restore(node: &NodeFile) {
    tell("set this host as it was", host::restore(&node.host_record()));
}

fn tell(step: &str, failures: Vec<Failure>) {
    for failure in failures {
        log::warn(StepError::new(step, failure));
    }
}
