//! The options of `serve`: command line, then environment (`SANDLOT_<NAME>`), then `sandlot.toml`, then the default.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// What runs the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Containers of the node's supervisor; `serve` must be started by root.
    Container,
    /// Plain processes of the user who runs serve: no isolation at all, for work on the web side.
    Local,
}

/// Options as given; nothing is filled in yet.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Options {
    /// Address and port of the site and API [default: 127.0.0.1:8080]
    #[arg(long, env = "SANDLOT_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Where everything lasting lives [default: /var/lib/sandlot]
    #[arg(long, env = "SANDLOT_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Where sockets live [default: /run/sandlot]
    #[arg(long, env = "SANDLOT_RUN_DIR", value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Configuration file [default: /etc/sandlot/sandlot.toml, where it exists]
    #[arg(long, env = "SANDLOT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// URL under which browsers reach the site [default: what the request says]
    #[arg(long, env = "SANDLOT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Domain of the site; ports of instances are reached at names below it [default: localhost]
    #[arg(long, env = "SANDLOT_DOMAIN", value_name = "NAME")]
    pub domain: Option<String>,
    /// Domain of the ports, where it is another: pages of instances then share nothing with the site [default: <domain>]
    #[arg(long, env = "SANDLOT_PORTS_DOMAIN", value_name = "NAME")]
    pub ports_domain: Option<String>,
    /// Certificate of the site in PEM, with those that lead to an authority; the site then speaks HTTPS only
    #[arg(long, env = "SANDLOT_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of that certificate in PEM; both files are read again when they change, and at SIGHUP
    #[arg(long, env = "SANDLOT_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For, -Proto and -Host are believed: addresses or networks, separated by commas
    #[arg(long, env = "SANDLOT_TRUSTED_PROXIES", value_name = "LIST", value_delimiter = ',')]
    pub trusted_proxies: Option<Vec<String>>,
    /// Short name of this node, 1 to 16 of a-z and 0-9 [default: made at the first start]
    #[arg(long, env = "SANDLOT_NODE_ID", value_name = "ID")]
    pub node_id: Option<String>,
    /// Folder of all cgroups of this node, below the root of each hierarchy [default: sandlot]
    #[arg(long, env = "SANDLOT_CGROUP_PARENT", value_name = "NAME")]
    pub cgroup_parent: Option<String>,
    /// First of the host ids of this node's sessions [default: 1000000000]
    #[arg(long, env = "SANDLOT_UID_BASE", value_name = "UID")]
    pub uid_base: Option<u32>,
    /// Start of the names of network links [default: sl]
    #[arg(long, env = "SANDLOT_LINK_PREFIX", value_name = "TEXT")]
    pub link_prefix: Option<String>,
    /// How files of instances are limited: auto, project-quota, ext4-image or tmpfs [default: auto]
    #[arg(long, env = "SANDLOT_DISK", value_name = "DRIVER")]
    pub disk: Option<String>,
    /// What runs the instances [default: container]
    #[arg(long, env = "SANDLOT_BACKEND", value_enum)]
    pub backend: Option<BackendKind>,
    /// Playground of a request that names none [default: workbench, or tiny while that is being made]
    #[arg(long, env = "SANDLOT_DEFAULT_PLAYGROUND", value_name = "NAME")]
    pub default_playground: Option<String>,
    /// Images to make at the start where they are missing: tiny, debian, workbench, node, python [default: tiny,workbench]
    #[arg(long, env = "SANDLOT_MAKE_IMAGES", value_name = "LIST", value_delimiter = ',')]
    pub make_images: Option<Vec<String>>,
    /// Start a supervisor when none runs; false waits for one that a unit of its own starts [default: true]
    #[arg(long, env = "SANDLOT_START_SUPERVISOR", value_name = "BOOL")]
    pub start_supervisor: Option<bool>,
    /// Disks of the limit last asked for that are made while the node rests, 0 to 64 [default: 4]
    #[arg(long, env = "SANDLOT_READY_DISKS", value_name = "COUNT")]
    pub ready_disks: Option<u32>,
    /// Networks that are made while the node rests, 0 to 64 [default: 4]
    #[arg(long, env = "SANDLOT_READY_NETWORKS", value_name = "COUNT")]
    pub ready_networks: Option<u32>,
    /// Addresses between the host and sessions that go out; several nodes on one host have several [default: 100.64.0.0/16]
    #[arg(long, env = "SANDLOT_EGRESS_NETWORK", value_name = "NETWORK")]
    pub egress_network: Option<String>,
    /// Name servers for sessions that go out: addresses, maybe with ports [default: those of this host]
    #[arg(long, env = "SANDLOT_NAME_SERVERS", value_name = "LIST", value_delimiter = ',')]
    pub name_servers: Option<Vec<String>>,
    /// Change this host so that sessions go out: turn forwarding on, accept their packets in the chains that refuse them; `sandlot down` takes it back
    #[arg(long, env = "SANDLOT_CONFIGURE_HOST", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub configure_host: Option<bool>,
    /// Logs as JSON, one object a line
    #[arg(long, env = "SANDLOT_LOG_JSON", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub log_json: Option<bool>,
    /// Let pages expose their terminals to browser tests
    #[arg(long, env = "SANDLOT_TEST_HOOKS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide = true)]
    #[serde(skip)]
    pub test_hooks: Option<String>,
}

impl Options {
    /// These options, and where one is not given that of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            state_dir: self.state_dir.or(other.state_dir),
            run_dir: self.run_dir.or(other.run_dir),
            config: self.config,
            public_url: self.public_url.or(other.public_url),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            domain: self.domain.or(other.domain),
            ports_domain: self.ports_domain.or(other.ports_domain),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            node_id: self.node_id.or(other.node_id),
            cgroup_parent: self.cgroup_parent.or(other.cgroup_parent),
            uid_base: self.uid_base.or(other.uid_base),
            link_prefix: self.link_prefix.or(other.link_prefix),
            disk: self.disk.or(other.disk),
            backend: self.backend.or(other.backend),
            default_playground: self.default_playground.or(other.default_playground),
            make_images: self.make_images.or(other.make_images),
            ready_disks: self.ready_disks.or(other.ready_disks),
            egress_network: self.egress_network.or(other.egress_network),
            name_servers: self.name_servers.or(other.name_servers),
            configure_host: self.configure_host.or(other.configure_host),
            ready_networks: self.ready_networks.or(other.ready_networks),
            start_supervisor: self.start_supervisor.or(other.start_supervisor),
            log_json: self.log_json.or(other.log_json),
            test_hooks: self.test_hooks,
        }
    }
}
