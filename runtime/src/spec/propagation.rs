//! `linux.rootfsPropagation`.

use super::error::SpecError;
use super::mount::Propagation;
use crate::sys::mount::{MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};

pub(super) fn parse(given: Option<&str>) -> Result<Option<Propagation>, SpecError> {
    let name = given.unwrap_or_default();
    let (recursive, kind) = match name.strip_prefix('r') {
        Some(kind) => (true, kind),
        None => (false, name),
    };
    let flag = match kind {
        "" if !recursive => return Ok(None),
        "shared" => MS_SHARED,
        "slave" => MS_SLAVE,
        "private" => MS_PRIVATE,
        "unbindable" => MS_UNBINDABLE,
        _ => {
            let rule = "must be shared, slave, private, unbindable, or one of them with an r in front";
            return Err(SpecError::invalid("linux.rootfsPropagation", name, rule));
        }
    };
    Ok(Some(Propagation { flag, recursive }))
}
