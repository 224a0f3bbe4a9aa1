//! `spec` and `features`: documents that need no container.

use std::path::Path;

use super::arguments::Parsed;
use super::context::Context;
use super::{Outcome, features, print, spec};
use crate::oci::Error;
use crate::spec::MOUNT_OPTIONS;

pub(super) fn write_spec(_: &Context, given: &Parsed) -> Outcome {
    let bundle = Path::new(given.filled("bundle").unwrap_or("."));
    spec::write(bundle, given.has("rootless")).map_err(|error| Error::said(error.to_string()))?;
    Ok(0)
}

pub(super) fn show_features(_: &Context, _: &Parsed) -> Outcome {
    let mut text = Vec::new();
    features::write(&mut text, &MOUNT_OPTIONS).map_err(Error::file("write", "features"))?;
    Ok(print(&String::from_utf8_lossy(&text)))
}
