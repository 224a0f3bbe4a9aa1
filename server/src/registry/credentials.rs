//! Who we are at which registry: user and password, or an identity token; as `docker login` keeps them in `config.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Error;

/// Longest `config.json`, in bytes: it holds a few hundred hosts at most.
const MAX_CONFIG_BYTES: usize = 1024 * 1024;
/// What `docker login` calls Docker Hub.
const HUB_NAMES: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// What proves who asks. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// For basic authentication, here or at the token server.
    Password {
        /// Who.
        user: String,
        /// Its proof.
        password: String,
    },
    /// An OAuth2 refresh token for the token server.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
        })
    }
}

/// Credentials by host, `:port` included where it is not the usual one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, Credential>);

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl Credentials {
    /// Adds or replaces the credential of a host (`docker.io`, `registry.example:5000`, or a URL of it).
    pub fn insert(&mut self, host: &str, credential: Credential) {
        self.0.insert(host_of(host), credential);
    }

    /// What to use at this registry.
    pub fn of(&self, host: &str) -> Option<&Credential> {
        self.0.get(&host_of(host))
    }

    /// From the text of docker's `config.json`. Hosts whose secrets are kept by a credential helper are left out.
    ///
    /// # Errors
    /// [`Error::Setting`] when the text is too long, no such document, or holds an entry that cannot be decoded. `path`
    /// is for that message only.
    pub fn from_docker_config(text: &[u8], path: &Path) -> Result<Self, Error> {
        let invalid = |detail: String| Error::Setting { path: path.to_owned(), detail };
        if text.len() > MAX_CONFIG_BYTES {
            return Err(invalid(format!("it is longer than {MAX_CONFIG_BYTES} bytes")));
        }
        // The error's text could show a part of a secret: only the place is told.
        let config: DockerConfig = serde_json::from_slice(text).map_err(|error| {
            invalid(format!("no docker config, at line {} column {}", error.line(), error.column()))
        })?;
        let mut credentials = Self::default();
        for (host, entry) in config.auths {
            let credential =
                entry.credential().map_err(|why| invalid(format!("the entry of `{host}` {why}")))?;
            if let Some(credential) = credential {
                credentials.insert(&host, credential);
            }
        }
        Ok(credentials)
    }
}

impl Entry {
    fn credential(self) -> Result<Option<Credential>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::IdentityToken(self.identitytoken)));
        }
        if self.auth.is_empty() {
            let whole = !self.username.is_empty();
            return Ok(whole.then_some(Credential::Password { user: self.username, password: self.password }));
        }
        let decoded = STANDARD.decode(self.auth.trim()).map_err(|_| "is not base64")?;
        let text = String::from_utf8(decoded).map_err(|_| "is not text")?;
        let (user, password) = text.split_once(':').ok_or("has no `user:password`")?;
        // Old clients padded it with zero bytes.
        let password = password.trim_matches('\0').to_owned();
        Ok(Some(Credential::Password { user: user.to_owned(), password }))
    }
}

/// `https://index.docker.io/v1/` and the like are `docker.io`; any other URL is its host and port.
fn host_of(key: &str) -> String {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if HUB_NAMES.contains(&host.as_str()) { "docker.io".to_owned() } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Credentials, Error> {
        Credentials::from_docker_config(text.as_bytes(), Path::new("config.json"))
    }

    fn password(user: &str, password: &str) -> Credential {
        Credential::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn dockers_config_is_read() {
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "YW5uOnBhOnNz"},
            "reg.example:5000": {"auth": "", "identitytoken": "secret"},
            "plain.example": {"username": "u", "password": "p"},
            "helper.example": {}}, "credsStore": "desktop"}"#;
        let credentials = read(text).unwrap();
        for hub in ["docker.io", "registry-1.docker.io", "index.docker.io"] {
            assert_eq!(credentials.of(hub), Some(&password("ann", "pa:ss")));
        }
        assert_eq!(credentials.of("reg.example:5000"), Some(&Credential::IdentityToken("secret".into())));
        assert_eq!(credentials.of("plain.example"), Some(&password("u", "p")));
        assert_eq!(credentials.of("helper.example"), None);
        assert_eq!(credentials.of("reg.example"), None);
    }

    #[test]
    fn a_config_that_cannot_be_used_is_refused_without_showing_it() {
        for bad in ["", "7", r#"{"auths":{"a":{"auth":"%%%"}}}"#, r#"{"auths":{"a":{"auth":"c2VjcmV0"}}}"#] {
            let message = read(bad).unwrap_err().to_string();
            assert!(!message.contains("secret") && message.contains("config.json"), "{message}");
        }
        assert!(read(&" ".repeat(MAX_CONFIG_BYTES + 1)).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?} {:?}", password("u", "hush"), Credential::IdentityToken("hush".into()));
        assert!(!shown.contains("hush"));
    }
}
