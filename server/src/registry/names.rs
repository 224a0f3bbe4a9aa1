//! Addresses of hosts: by our own resolver, since a static program cannot load the C library's, and filtered by the rule
//! of the connection. The HTTP client connects to what comes out of here and asks nobody again, so a name that changes
//! its address between check and use gains nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Reach;
use super::{Error, NameServers};

/// The resolver.
#[derive(Debug)]
pub(super) struct Names(TokioResolver);

/// Why a host has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAddress {
    /// The name servers know none.
    #[error("there is no host `{0}`")]
    Unknown(String),
    /// All that they know are forbidden; the first one, and why.
    #[error("{address} is {why}")]
    Refused {
        /// The first one.
        address: IpAddr,
        /// Which rule forbids it.
        why: &'static str,
    },
    /// They do not answer.
    #[error("look up `{host}`: {cause}")]
    Failed {
        /// The name.
        host: String,
        /// Their failure.
        cause: String,
    },
}

impl Names {
    /// Reads `/etc/hosts`, and `/etc/resolv.conf` if the system's servers are to be asked.
    ///
    /// # Errors
    /// [`Error::Prepare`] when there is no way to ask anybody.
    pub(super) fn new(servers: &NameServers) -> Result<Self, Error> {
        let builder = match servers {
            // Without the file the C library asks this host itself.
            NameServers::System => TokioResolver::builder_tokio()
                .unwrap_or_else(|_| listed(&[SocketAddr::from(([127, 0, 0, 1], 53))])),
            NameServers::Listed(servers) => listed(servers),
        };
        builder.build().map(Self).map_err(|error| Error::Prepare(error.to_string()))
    }

    /// Every address of a host.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        match self.0.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                Err(NoAddress::Unknown(host.to_owned()))
            }
            Err(error) => Err(NoAddress::Failed { host: host.to_owned(), cause: error.to_string() }),
        }
    }

    /// Those addresses of a host that may be reached; at least one.
    async fn reachable(&self, host: &str, reach: &Reach) -> Result<Vec<IpAddr>, NoAddress> {
        let found = self.addresses(host).await?;
        let first = found.first().copied();
        let refusal = first.and_then(|address| Some((address, reach.refuses(address)?)));
        let open: Vec<IpAddr> =
            found.into_iter().filter(|address| reach.refuses(*address).is_none()).collect();
        match (open.is_empty(), refusal) {
            (false, _) => Ok(open),
            (true, Some((address, why))) => Err(NoAddress::Refused { address, why }),
            (true, None) => Err(NoAddress::Unknown(host.to_owned())),
        }
    }
}

fn listed(servers: &[SocketAddr]) -> hickory_resolver::ResolverBuilder<TokioRuntimeProvider> {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    let config = ResolverConfig::from_name_servers(servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

/// For a client of a person's own, who may reach everything.
///
/// # Errors
/// As [`Names::new`].
pub(crate) fn all_addresses() -> Result<Filtered, Error> {
    Ok(Filtered { names: Arc::new(Names::new(&NameServers::System)?), reach: Reach::Any })
}

/// What the HTTP client asks: the resolver behind one rule.
pub(crate) struct Filtered {
    /// Shared with the other rules.
    pub(super) names: Arc<Names>,
    /// The rule.
    pub(super) reach: Reach,
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.names);
        let reach = match (&self.reach, name.as_str()) {
            // Only an operator's own proxy: a URL with this host was refused before.
            (Reach::NotLocal, "localhost") => Reach::Any,
            (reach, _) => reach.clone(),
        };
        Box::pin(async move {
            let open = names.reachable(name.as_str(), &reach).await?;
            // Port 0: the one of the URL.
            let addresses: Addrs = Box::new(open.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
