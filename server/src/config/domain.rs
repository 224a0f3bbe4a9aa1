//! Under which names ports of instances are reached: `<port>-<token>.<domain>`.

use crate::config::ConfigError;

/// The domain of the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortsDomain {
    name: String,
    /// Whether the site itself is not reached under it.
    apart: bool,
}

impl PortsDomain {
    /// From `--domain` and `--ports-domain`; without both it is `localhost`, which browsers resolve by themselves.
    pub(crate) fn parse(domain: Option<String>, ports: Option<String>) -> Result<Self, ConfigError> {
        let domain = domain.map(|name| checked("domain", &name)).transpose()?;
        let ports = ports.map(|name| checked("ports-domain", &name)).transpose()?;
        let apart = ports.is_some() && ports != domain;
        let name = ports.or(domain).unwrap_or_else(|| "localhost".to_owned());
        Ok(Self { name, apart })
    }

    /// The domain's name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing but ports is reached under it.
    pub fn is_apart(&self) -> bool {
        self.apart
    }

    /// What stands before the domain in a `Host`, without the port of the listener; `None` when the host is not below it.
    pub fn label_of<'a>(&self, host: &'a str) -> Option<&'a str> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let at = name.len().checked_sub(self.name.len())?;
        let (before, domain) = name.split_at_checked(at)?;
        if !domain.eq_ignore_ascii_case(&self.name) {
            return None;
        }
        if before.is_empty() { Some(before) } else { before.strip_suffix('.') }
    }
}

fn checked(key: &str, name: &str) -> Result<String, ConfigError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let labels = name.split('.').all(|label| (1..=63).contains(&label.len()));
    if labels && name.len() <= 200 && name.bytes().all(plain) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(ConfigError::value(key, name, "must be a host name, such as play.example.org"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(domain: Option<&str>, ports: Option<&str>) -> Result<PortsDomain, ConfigError> {
        PortsDomain::parse(domain.map(str::to_owned), ports.map(str::to_owned))
    }

    #[test]
    fn labels_stand_before_the_domain() {
        let local = domain(None, None).unwrap();
        assert_eq!(local.label_of("80-abc.localhost:8080"), Some("80-abc"));
        assert_eq!(local.label_of("80-ABC.LOCALHOST"), Some("80-ABC"));
        assert_eq!(local.label_of("localhost:8080"), Some(""));
        assert_eq!(local.label_of("80-abc.xlocalhost"), None);
        assert_eq!(local.label_of("127.0.0.1:8080"), None);
        assert_eq!(local.label_of(""), None);
    }

    #[test]
    fn ports_may_live_elsewhere() {
        assert!(domain(Some("play.example"), Some("ports.example")).unwrap().is_apart());
        assert!(!domain(Some("Play.Example"), None).unwrap().is_apart());
        assert!(domain(Some("a b"), None).is_err() && domain(None, Some("a..b")).is_err());
    }
}
