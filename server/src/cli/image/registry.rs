//! Registries from the command line: a client of the operator's, and a runtime for it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::registry::{Client, Credentials, Settings, Trust};

/// What `docker login` has kept for whoever calls. To be read before the user changes.
///
/// # Errors
/// When the file is there and cannot be used.
pub(super) fn credentials() -> Result<Credentials> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    let Some(folder) = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home) else {
        return Ok(Credentials::default());
    };
    let path = folder.join("config.json");
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Credentials::from_docker_config(&bytes, &path)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Credentials::default()),
        Err(error) => Err(error).with_context(|| format!("read `{}`", path.display())),
    }
}

/// The settings of the configuration.
///
/// # Errors
/// When a URL or network is none.
pub(super) fn settings(config: &Config, credentials: Credentials) -> Result<Settings> {
    let table = &config.registries;
    let mirrors = table.mirrors.iter().map(|(registry, urls)| {
        let urls =
            urls.iter().map(|url| url.parse().with_context(|| format!("mirror `{url}` of {registry}")));
        Ok((registry.clone(), urls.collect::<Result<Vec<_>>>()?))
    });
    let allow =
        table.allow.iter().map(|network| network.parse().with_context(|| format!("network `{network}`")));
    Ok(Settings {
        mirrors: mirrors.collect::<Result<_>>()?,
        plain_http: table.plain_http.clone(),
        authorities: table.authorities.clone(),
        credentials,
        allow: allow.collect::<Result<_>>()?,
        ..Settings::default()
    })
}

/// A runtime, and a client in it.
///
/// # Errors
/// When a file of the settings cannot be used.
pub(super) fn client(settings: Settings) -> Result<(Runtime, Client)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let client = runtime.block_on(async { Client::new(settings, Trust::Operator) })?;
    Ok((runtime, client))
}
