//! Who asks, by which rules: the door of this part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;

use super::site::Site;
use super::token::Tokens;
use super::transport::{Call, Transport, names_loopback};
use super::{Credential, Credentials, Error, Settings, Trust};

/// A client of registries. Cheap to clone; clones share connections, credentials and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
    credentials: Arc<Credentials>,
    pub(super) tokens: Arc<Tokens>,
}

/// What does not depend on the credentials.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) settings: Settings,
    trust: Trust,
    /// Whether a loopback registry that nobody listed speaks TLS; asked once.
    local_schemes: Mutex<HashMap<String, &'static str>>,
}

impl Client {
    /// A client with the operator's credentials if it is the operator's, else with none. Reads files: make one for each
    /// [`Trust`] at the start, within the async runtime.
    ///
    /// # Errors
    /// [`Error::Setting`] for a file that cannot be used, [`Error::Prepare`] when there is no resolver.
    pub fn new(settings: Settings, trust: Trust) -> Result<Self, Error> {
        let transport = Transport::new(&settings, trust)?;
        let credentials = match trust {
            Trust::Operator => settings.credentials.clone(),
            Trust::Session => Credentials::default(),
        };
        let shared = Shared { transport, settings, trust, local_schemes: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), credentials: Arc::new(credentials), tokens: Arc::default() })
    }

    /// The same client as somebody else: with these credentials in place of its own, and tokens of its own.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self { shared: Arc::clone(&self.shared), credentials: Arc::new(credentials), tokens: Arc::default() }
    }

    /// Where a registry's content is read from before itself, in order.
    pub(super) fn mirrors(&self, registry: &str) -> Vec<Site> {
        self.shared.settings.mirrors.get(registry).into_iter().flatten().map(Site::mirror).collect()
    }

    /// The registry itself.
    pub(super) async fn site(&self, registry: &str) -> Result<Site, Error> {
        let site = Site::registry(registry, "https")?;
        if self.shared.transport.is_plain(&site.base)
            || self.shared.transport.is_plain(&Site::registry(registry, "http")?.base)
        {
            return Site::registry(registry, "http");
        }
        if self.shared.trust == Trust::Operator && names_loopback(&site.base) {
            return Site::registry(registry, self.local_scheme(&site).await);
        }
        Ok(site)
    }

    /// TLS if the host speaks it, whatever its certificate; a wrong certificate is told by the request itself.
    async fn local_scheme(&self, site: &Site) -> &'static str {
        let known = |schemes: &Mutex<HashMap<String, &'static str>>| {
            schemes.lock().unwrap_or_else(PoisonError::into_inner).get(&site.host).copied()
        };
        if let Some(scheme) = known(&self.shared.local_schemes) {
            return scheme;
        }
        let mut url = site.base.clone();
        url.set_path("/v2/");
        let probe = Call::new(Method::GET, url, "the registry");
        let scheme = match self.shared.transport.follow(site, &probe, None).await {
            Ok(_) | Err(Error::Tls { certificate: true, .. }) => "https",
            Err(Error::Tls { .. }) => "http",
            // Not there, or no TLS at all: not worth remembering.
            Err(_) => return "http",
        };
        let mut schemes = self.shared.local_schemes.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.insert(site.host.clone(), scheme);
        scheme
    }

    /// What proves who asks, at this site.
    pub(super) fn credential(&self, site: &Site) -> Option<&Credential> {
        let credentials = if site.mirror { &self.shared.settings.credentials } else { &*self.credentials };
        credentials.of(&site.host)
    }
}
