//! What the operator decides about registries. Plain values; `config` fills them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use super::Credentials;

/// Everything that a client goes by, besides who asks.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where a registry's content is also kept, by the registry's name (`docker.io`): asked first, in order, for reading
    /// only. An `http` URL is its own permission. Sessions may reach exactly these hosts and ports, wherever they are.
    pub mirrors: BTreeMap<String, Vec<Url>>,
    /// Hosts, with `:port` or for all ports, that are reached without TLS.
    pub plain_http: Vec<String>,
    /// Files of PEM certificates to trust besides the host's.
    pub authorities: Vec<PathBuf>,
    /// The operator's, by host. Sessions use them at mirrors only, and bring their own for the rest.
    pub credentials: Credentials,
    /// Networks that sessions may reach although they are not public.
    pub allow: Vec<IpNet>,
    /// Who is asked for the addresses of hosts.
    pub name_servers: NameServers,
    /// How long things may take.
    pub timing: Timing,
    /// Blobs are pushed in pieces of this many bytes, so that a broken connection costs one piece at most. 0: 64 MiB.
    pub piece_bytes: u64,
}

/// Who knows the addresses of hosts.
#[derive(Debug, Clone, Default)]
pub enum NameServers {
    /// What `/etc/hosts` and `/etc/resolv.conf` say.
    #[default]
    System,
    /// These servers alone.
    Listed(Vec<SocketAddr>),
}

/// How long things may take, and how often they are tried.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Until a connection stands.
    pub connect: Duration,
    /// From a request to the head of its answer.
    pub answer: Duration,
    /// From the last byte of a pushed blob or manifest to the head of the answer: the registry may hash all of it.
    pub commit: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// Over each such time of waiting ...
    pub window: Duration,
    /// ... at least this many bytes a second must come.
    pub least_rate: u64,
    /// Tries of one request, the first included.
    pub attempts: u32,
    /// Wait before the second try; doubled for each further one, with jitter.
    pub backoff: Duration,
    /// Longest wait between two tries of our own choice.
    pub longest_backoff: Duration,
    /// Longest `Retry-After` that is waited for; a longer one is an error at once.
    pub longest_retry_after: Duration,
    /// How often a broken transfer is taken up again without a mebibyte of progress in between.
    pub resumes: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            commit: Duration::from_secs(300),
            idle: Duration::from_secs(30),
            window: Duration::from_secs(30),
            least_rate: 1024,
            attempts: 5,
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(10),
            longest_retry_after: Duration::from_secs(60),
            resumes: 5,
        }
    }
}
