//! `[registries]`: how registries of images are reached. An operator's policy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The table as it stands. Addresses and networks are checked when a client is made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Registries {
    /// Where a registry's content is also kept, by the registry's name: asked first, in order.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Hosts, with `:port` or for all ports, that are reached without TLS.
    pub plain_http: Vec<String>,
    /// Files of PEM certificates to trust besides the host's.
    pub authorities: Vec<PathBuf>,
    /// Networks that sessions may reach although they are not public.
    pub allow: Vec<String>,
}
