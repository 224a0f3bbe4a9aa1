//! The configuration, complete and checked. Made once at the start; nobody changes it.
//!

pub mod domain;
pub mod egress;
pub mod limits;
pub mod options;
pub mod playground;
pub mod proxies;
pub mod registries;
pub(crate) mod size;
mod tls;
mod value;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use sandlot_runtime::supervisor::node::{TlsFiles, Way};
use serde::Deserialize;

use self::domain::PortsDomain;
use self::options::{BackendKind, Options};
use self::playground::{Playground, PlaygroundTable};
use self::proxies::TrustedProxies;
use self::registries::Registries;
use self::value::{
    absolute, disk, egress_network, listen, made_ahead, make_images, name_servers, node_id, origin,
    plain_name, uid_base,
};
use crate::id::{NodeId, PlaygroundName};

const DEFAULT_FILE: &str = "/etc/sandlot/sandlot.toml";

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One value is wrong.
    #[error("option {key} `{value}`: {rule}")]
    Value {
        /// Which.
        key: String,
        /// What it is.
        value: String,
        /// What it should be.
        rule: String,
    },
    /// The file cannot be read.
    #[error("read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("parse `{path}`: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

impl ConfigError {
    pub(crate) fn value(key: &str, value: &str, rule: &str) -> Self {
        Self::Value { key: key.into(), value: value.into(), rule: rule.into() }
    }
}

/// `sandlot.toml`: the options of `serve` by their long names, `[limits]` and `[playgrounds.NAME]` tables.
#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    limits: Quotas,
    #[serde(default)]
    playgrounds: BTreeMap<String, PlaygroundTable>,
    #[serde(default)]
    registries: Registries,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[limits]`: how much one client and all clients may have. An operator's policy.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Sessions of the node at once.
    pub sessions_per_node: u32,
    /// Sessions of one client address at once. Not set: 10, and no bound for this machine's own loopback addresses.
    sessions_per_address: Option<u32>,
    /// Sessions that one client address may start in a minute. Not set: 30, as above.
    starts_per_minute_per_address: Option<u32>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { sessions_per_node: 1000, sessions_per_address: None, starts_per_minute_per_address: None }
    }
}

impl Quotas {
    const SESSIONS: u32 = 10;
    const STARTS: u32 = 30;

    /// Sessions at once of a client, told by its quota key.
    pub fn sessions_of(&self, client: &str) -> u32 {
        let default = if proxies::is_loopback(client) { self.sessions_per_node } else { Self::SESSIONS };
        self.sessions_per_address.unwrap_or(default)
    }

    /// Starts in a minute of a client; `None` is as many as it likes.
    pub fn starts_of(&self, client: &str) -> Option<u32> {
        let default = (!proxies::is_loopback(client)).then_some(Self::STARTS);
        self.starts_per_minute_per_address.or(default)
    }
}

/// What serve runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the site listens.
    pub listen: SocketAddr,
    /// Everything lasting.
    pub state_dir: PathBuf,
    /// Sockets.
    pub run_dir: PathBuf,
    /// Origin of the site as browsers see it, without a slash at the end; `None` until the listener says its port.
    pub public_url: Option<String>,
    /// Certificate and key of the site; `None` is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Names of ports.
    pub ports_domain: PortsDomain,
    /// Whose X-Forwarded-For, -Proto and -Host are believed.
    pub trusted_proxies: TrustedProxies,
    /// Given name of the node; `None` is what the state directory holds.
    pub node_id: Option<NodeId>,
    /// Folder of all cgroups of this node.
    pub cgroup_parent: String,
    /// First host id.
    pub uid_base: u32,
    /// Start of the names of network links.
    pub link_prefix: String,
    /// How files of instances are limited.
    pub disk: String,
    /// What runs the instances.
    pub backend: BackendKind,
    /// How much a client may have.
    pub quotas: Quotas,
    /// Playground of a request that names none; `None`: the first of workbench and tiny that is ready.
    pub default_playground: Option<PlaygroundName>,
    /// Default images that are made at the start where they are missing.
    pub make_images: Vec<String>,
    /// Disks that are made while the node rests.
    pub ready_disks: u32,
    /// Networks that are made while the node rests.
    pub ready_networks: u32,
    /// First address of the /16 between host, gateway and sessions that go out.
    pub egress_network: Ipv4Addr,
    /// Change the host so that sessions go out.
    pub configure_host: bool,
    /// Whom sessions' name servers ask; `None`: whom the host asks.
    pub name_servers: Option<Vec<SocketAddr>>,
    /// Start a supervisor when none runs.
    pub start_supervisor: bool,
    /// Logs as JSON.
    pub log_json: bool,
    /// Let pages expose their terminals to browser tests.
    pub test_hooks: bool,
    /// What sessions are made from.
    pub playgrounds: BTreeMap<PlaygroundName, Playground>,
    /// How registries are reached.
    pub registries: Registries,
}

impl Config {
    /// From the options of the command line and environment, and the file that they or the default name.
    ///
    /// # Errors
    /// When the file cannot be read, or a value is wrong; the message names it.
    pub fn load(given: Options) -> Result<Self, ConfigError> {
        let file = match &given.config {
            Some(path) => read_file(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE))?,
            None => File::default(),
        };
        let options = given.or(file.options);
        let playgrounds = playgrounds(&file.playgrounds)?;
        let test_hooks = options.test_hooks.as_deref().is_some_and(|text| text == "1" || text == "true");
        let default_playground =
            options.default_playground.map(|name| known(&playgrounds, &name)).transpose()?;
        Ok(Self {
            listen: listen(options.listen.as_deref().unwrap_or("127.0.0.1:8080"))?,
            state_dir: absolute("state-dir", options.state_dir, "/var/lib/sandlot")?,
            run_dir: absolute("run-dir", options.run_dir, "/run/sandlot")?,
            public_url: options.public_url.map(|url| origin(&url)).transpose()?,
            tls: tls::files(options.tls_cert, options.tls_key)?,
            ports_domain: PortsDomain::parse(options.domain, options.ports_domain)?,
            trusted_proxies: TrustedProxies::parse(&options.trusted_proxies.unwrap_or_default())?,
            node_id: options.node_id.map(|id| node_id(&id)).transpose()?,
            cgroup_parent: plain_name("cgroup-parent", options.cgroup_parent, "sandlot", 64)?,
            uid_base: uid_base(options.uid_base.unwrap_or(1_000_000_000))?,
            link_prefix: plain_name("link-prefix", options.link_prefix, "sl", 6)?,
            disk: disk(options.disk)?,
            backend: options.backend.unwrap_or(BackendKind::Container),
            quotas: quotas(file.limits)?,
            default_playground,
            make_images: make_images(options.make_images)?,
            ready_disks: made_ahead("ready-disks", options.ready_disks)?,
            egress_network: egress_network(options.egress_network)?,
            configure_host: options.configure_host.unwrap_or(false),
            name_servers: options.name_servers.map(|texts| name_servers(&texts)).transpose()?,
            ready_networks: made_ahead("ready-networks", options.ready_networks)?,
            start_supervisor: options.start_supervisor.unwrap_or(true),
            log_json: options.log_json.unwrap_or(false),
            test_hooks,
            playgrounds,
            registries: file.registries,
        })
    }

    /// How sessions may go out, if those of any playground do.
    pub fn way(&self) -> Option<Way> {
        let ways: Vec<_> =
            self.playgrounds.values().filter_map(|playground| playground.way.as_ref()).collect();
        let private = ways.iter().flat_map(|way| way.private()).collect();
        let (network, configure_host) = (self.egress_network, self.configure_host);
        (!ways.is_empty()).then_some(Way { network, private, configure_host })
    }

    /// What serve itself writes.
    pub fn serve_dir(&self) -> PathBuf {
        self.state_dir.join("serve")
    }

    /// The supervisor's socket.
    pub fn supervisor_socket(&self) -> PathBuf {
        self.run_dir.join("supervisor.sock")
    }

    /// The uid that serve runs as: just below the ranges of the sessions.
    pub fn serve_uid(&self) -> u32 {
        self.uid_base - 1
    }
}

/// The file, parsed.
#[derive(Debug, Default)]
struct File {
    options: Options,
    limits: Quotas,
    playgrounds: BTreeMap<String, PlaygroundTable>,
    registries: Registries,
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text = read_bounded(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let parse = |source| ConfigError::Parse { path: path.into(), source: Box::new(source) };
    let file: ConfigFile = toml::from_str(&text).map_err(parse)?;
    let options = toml::Value::Table(file.rest).try_into().map_err(parse)?;
    Ok(File { options, limits: file.limits, playgrounds: file.playgrounds, registries: file.registries })
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(limits::CONFIG_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn playgrounds(
    tables: &BTreeMap<String, PlaygroundTable>,
) -> Result<BTreeMap<PlaygroundName, Playground>, ConfigError> {
    let mut all = playground::built_in()?;
    for (name, table) in tables {
        let (name, playground) = playground::named(name, table)?;
        all.insert(name, playground);
    }
    if all.len() > limits::PLAYGROUNDS {
        return Err(ConfigError::value("playgrounds", &all.len().to_string(), "at most 100 can be offered"));
    }
    Ok(all)
}

fn known(all: &BTreeMap<PlaygroundName, Playground>, name: &str) -> Result<PlaygroundName, ConfigError> {
    let found = name.parse().ok().filter(|name| all.contains_key(name));
    found.ok_or_else(|| ConfigError::value("default-playground", name, "there is no playground of this name"))
}

/// The images that come with Sandlot.
pub const DEFAULT_IMAGES: [&str; 5] = ["tiny", "debian", "workbench", "node", "python"];

fn quotas(quotas: Quotas) -> Result<Quotas, ConfigError> {
    let named = [
        ("sessions_per_node", Some(quotas.sessions_per_node), 32_000),
        ("sessions_per_address", quotas.sessions_per_address, 32_000),
        ("starts_per_minute_per_address", quotas.starts_per_minute_per_address, 1_000_000),
    ];
    for (name, number, most) in named {
        if let Some(number) = number.filter(|number| !(1..=most).contains(number)) {
            let rule = format!("must be 1 to {most}");
            return Err(ConfigError::value(&format!("limits.{name}"), &number.to_string(), &rule));
        }
    }
    Ok(quotas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sandlot.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Options { config: Some(path), ..Options::default() })
    }

    #[test]
    fn a_file_fills_in_what_the_command_line_leaves_out() {
        let config = file(
            "listen = \"127.0.0.1:1\"\n[limits]\nsessions_per_node = 7\n[playgrounds.lab]\nimage = \"tiny\"",
        )
        .unwrap();
        assert_eq!((config.listen.port(), config.quotas.sessions_per_node), (1, 7));
        assert_eq!(config.playgrounds[&"lab".parse().unwrap()].image, "tiny");
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused_by_name() {
        for (text, word) in [
            ("colour = 1", "colour"),
            ("[playgrounds.lab]\nram = \"1\"", "ram"),
            ("[playgrounds.lab]\nmemory = \"lots\"", "memory"),
            ("uid-base = 5", "uid-base"),
            ("ready-disks = 65", "ready-disks"),
            ("listen = \"everywhere\"", "listen"),
            ("public-url = \"ftp://x\"", "public-url"),
            ("tls-cert = \"/a.pem\"", "tls-key"),
            ("default-playground = \"nope\"", "default-playground"),
        ] {
            let error = file(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
