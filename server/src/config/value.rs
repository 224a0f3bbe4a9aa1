//! Single values of options: parsed, or refused by name with what they must be.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{ConfigError, DEFAULT_IMAGES};
use crate::id::NodeId;

/// Disks and networks that are made ahead, each, unless said otherwise.
const MADE_AHEAD: u32 = 4;
const MOST_MADE_AHEAD: u32 = 64;

pub(super) fn listen(text: &str) -> Result<SocketAddr, ConfigError> {
    let named = text.replace("localhost:", "127.0.0.1:");
    named.parse().map_err(|_| {
        ConfigError::value("listen", text, "must be an address and a port, such as 127.0.0.1:8080")
    })
}

pub(super) fn absolute(key: &str, path: Option<PathBuf>, default: &str) -> Result<PathBuf, ConfigError> {
    let path = path.unwrap_or_else(|| default.into());
    std::path::absolute(&path).map_err(|_| ConfigError::value(key, &path.to_string_lossy(), "must be a path"))
}

pub(super) fn origin(url: &str) -> Result<String, ConfigError> {
    let trimmed = url.trim_end_matches('/');
    let rest = trimmed.strip_prefix("http://").or_else(|| trimmed.strip_prefix("https://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(trimmed.to_owned()),
        _ => {
            Err(ConfigError::value("public-url", url, "must be http:// or https://, a host and maybe a port"))
        }
    }
}

pub(super) fn node_id(text: &str) -> Result<NodeId, ConfigError> {
    text.parse().map_err(|_| ConfigError::value("node-id", text, "must be 1 to 16 of a-z and 0-9"))
}

pub(super) fn plain_name(
    key: &str,
    given: Option<String>,
    default: &str,
    longest: usize,
) -> Result<String, ConfigError> {
    let text = given.unwrap_or_else(|| default.to_owned());
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if plain && (1..=longest).contains(&text.len()) {
        Ok(text)
    } else {
        Err(ConfigError::value(key, &text, &format!("must be 1 to {longest} letters, digits, - and _")))
    }
}

pub(super) fn uid_base(base: u32) -> Result<u32, ConfigError> {
    let fits = u64::from(base) + 32_001 * 65_536 < u64::from(u32::MAX);
    if base >= 65_536 && fits {
        Ok(base)
    } else {
        Err(ConfigError::value(
            "uid-base",
            &base.to_string(),
            "must leave room for 32,000 ranges of 65,536 ids below 2^32",
        ))
    }
}

/// Each takes some memory of the kernel, and a disk a loop device.
pub(super) fn made_ahead(key: &str, given: Option<u32>) -> Result<u32, ConfigError> {
    match given.unwrap_or(MADE_AHEAD) {
        count if count <= MOST_MADE_AHEAD => Ok(count),
        count => Err(ConfigError::value(key, &count.to_string(), "must be 0 to 64")),
    }
}

/// Some of the addresses that providers use between themselves and their customers (RFC 6598).
const EGRESS_NETWORK: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);

pub(super) fn egress_network(given: Option<String>) -> Result<Ipv4Addr, ConfigError> {
    let Some(text) = given else { return Ok(EGRESS_NETWORK) };
    let network = text.strip_suffix("/16").and_then(|address| address.parse::<Ipv4Addr>().ok());
    let whole = network.filter(|network| network.to_bits() & 0xffff == 0);
    whole
        .ok_or_else(|| ConfigError::value("egress-network", &text, "must be a network such as 100.64.0.0/16"))
}

pub(super) fn name_servers(texts: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let server = |text: &String| {
        let with_port = text.parse::<SocketAddr>().ok();
        let server = with_port.or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
        server.ok_or_else(|| ConfigError::value("name-servers", text, "must be addresses, maybe with a port"))
    };
    texts.iter().map(server).collect()
}

pub(super) fn disk(given: Option<String>) -> Result<String, ConfigError> {
    let driver = given.unwrap_or_else(|| "auto".to_owned());
    match driver.as_str() {
        "auto" | "project-quota" | "ext4-image" | "tmpfs" => Ok(driver),
        _ => Err(ConfigError::value("disk", &driver, "must be auto, project-quota, ext4-image or tmpfs")),
    }
}

pub(super) fn make_images(given: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let names = given.unwrap_or_else(|| vec!["tiny".to_owned(), "workbench".to_owned()]);
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    match names.iter().find(|name| !DEFAULT_IMAGES.contains(&name.as_str())) {
        Some(name) => Err(ConfigError::value(
            "make-images",
            name,
            &format!("must be one of {}", DEFAULT_IMAGES.join(", ")),
        )),
        None => Ok(names),
    }
}
