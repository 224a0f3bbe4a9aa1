//! The name of an image: `registry/repository:tag@digest`, of which most may be left out (Docker, "image reference").

use std::fmt;
use std::str::FromStr;

use super::{Digest, Error};

/// The registry of names that name none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Where that registry keeps names of one part.
const DEFAULT_FOLDER: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;

/// A checked image name, complete: `tiny` is `docker.io/library/tiny:latest`. Shown in its shortest form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Host, and port where one is given: `docker.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry: `library/tiny`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. `None` only where a digest stands in its place.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of manifest or index, where one is given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The name as people write it: without the default registry, unless it would then be read as another one.
    pub fn familiar_name(&self) -> String {
        let repository = match self.repository.strip_prefix(DEFAULT_FOLDER) {
            Some(name) if !name.contains('/') => name,
            _ => &self.repository,
        };
        if self.registry == DEFAULT_REGISTRY && split_registry(repository) == (DEFAULT_REGISTRY, repository) {
            repository.to_owned()
        } else {
            self.name()
        }
    }

    /// Every part spelled out.
    pub fn canonical(&self) -> String {
        format!("{}{}", self.name(), self.rest())
    }

    /// The same name with this digest in place of tag and digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Whether both are names within one repository.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.registry == other.registry && self.repository == other.repository
    }

    fn rest(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|rule| {
            let shown = text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect();
            Error::InvalidReference { text: shown, rule }
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.familiar_name(), self.rest())
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            (rest, Some(digest.parse().map_err(|_| "the digest must be sha256:… or sha512:…")?))
        }
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    let (registry, repository) = split_registry(name);
    let repository = match registry {
        DEFAULT_REGISTRY if !repository.contains('/') => format!("{DEFAULT_FOLDER}{repository}"),
        _ => repository.to_owned(),
    };
    if registry.len() + 1 + repository.len() > MAX_NAME_BYTES {
        return Err("the name must be at most 255 characters long");
    }
    check_registry(registry)?;
    check_repository(&repository)?;
    if repository.strip_prefix(DEFAULT_FOLDER).is_some_and(looks_like_id) && tag.is_none() {
        return Err("64 hexadecimal digits are the id of an image, not a name");
    }
    tag.map_or(Ok(()), check_tag)?;
    let tag = tag.or_else(|| digest.is_none().then_some(DEFAULT_TAG)).map(str::to_owned);
    Ok(Reference { registry: registry.to_owned(), repository, tag, digest })
}

/// A colon behind the last slash begins the tag; one before it belongs to the port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// The first part is a registry if it could be no folder of the default one.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io", rest)) => (DEFAULT_REGISTRY, rest),
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.contains(char::is_uppercase) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !registry.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    if !good {
        return Err("the registry must be a host name or an address");
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_) | Ok(0)) => Err("the registry's port must be a number from 1 to 65535"),
        _ => Ok(()),
    }
}

/// Parts of a-z and 0-9, with `.`, `_`, `__` or hyphens inside.
fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.split('/').all(is_part) {
        Ok(())
    } else if repository.contains(char::is_uppercase) {
        Err("the repository must be in lower case")
    } else {
        Err("the repository must be parts of a-z, 0-9 and inner separators (. _ __ -), joined by slashes")
    }
}

fn is_part(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().is_some_and(|b| word(*b)) && bytes.last().is_some_and(|b| word(*b));
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = |s: &str| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    ends && separators.into_iter().all(good)
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let good = tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
        && tag.bytes().next().is_some_and(word)
        && tag.len() <= MAX_TAG_BYTES;
    if good { Ok(()) } else { Err("the tag must be 1 to 128 of a-z, A-Z, 0-9 and inner ._-") }
}

fn looks_like_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
