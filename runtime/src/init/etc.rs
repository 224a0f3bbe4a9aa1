//! Steps that write into the machine's `/etc`.

use super::stage::Stage;
use crate::failure::Failure;
use crate::rootfs::{learner, names};
use crate::supervisor::protocol::Login;

pub(super) fn write_names(stage: &mut Stage<'_>) -> Result<(), Failure> {
    match stage.resources.identity {
        Some(identity) => names::write(stage.root()?, identity.hostname, identity.address, identity.resolv),
        None => Ok(()),
    }
}

pub(super) fn make_learner(stage: &mut Stage<'_>) -> Result<(), Failure> {
    match stage.resources.identity {
        Some(identity) if identity.login == Login::Learner => learner::make(stage.root()?),
        _ => Ok(()),
    }
}
