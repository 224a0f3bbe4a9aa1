//! Playgrounds: an operator's templates of sessions, from `sandlot.toml` or built in.

use std::collections::BTreeMap;
use std::time::Duration;

use sandlot_runtime::supervisor::name::{Hostname, InstanceIndex};
use sandlot_runtime::supervisor::protocol::{Limits, Login};
use serde::Deserialize;

use crate::config::egress::{Keys, Way};
use crate::config::{ConfigError, size};
use crate::id::{InstanceName, PlaygroundName};

/// What a session is made from.
#[derive(Debug, Clone)]
pub struct Playground {
    /// Its name in the API and in `/?playground=`.
    pub name: PlaygroundName,
    /// One or two words for the page.
    pub title: String,
    /// One sentence for the page.
    pub description: String,
    /// Name of an image in the content store.
    pub image: String,
    /// Machines that a session starts with, one to sixteen.
    pub instances: Vec<PlannedInstance>,
    /// Machines that it may have at once.
    pub max_instances: u8,
    /// Limits of each of them.
    pub limits: Limits,
    /// Time to live of a session.
    pub ttl: Duration,
    /// Each `extend` gives another `ttl` from then on, up to this in all.
    pub max_ttl: Duration,
    /// Who a terminal starts as.
    pub login: Login,
    /// Sets no_new_privs, which disables sudo.
    pub no_new_privileges: bool,
    /// Allows new user namespaces inside.
    pub user_namespaces: bool,
    /// Gives root CAP_NET_ADMIN over the network of its own instance.
    pub net_admin: bool,
    /// What its instances reach beyond their session; `None` is nothing.
    pub way: Option<Way>,
    /// Requests to ports are told to be for `localhost:<port>`, as development servers want.
    pub rewrite_host: bool,
}

/// A machine that a session starts with.
#[derive(Debug, Clone)]
pub struct PlannedInstance {
    /// Its name, if it has one beside its number.
    pub hostname: Option<Hostname>,
    /// Name of its image.
    pub image: String,
    /// Shell commands that run once it has started, as the user of its terminals.
    pub start: Option<String>,
}

/// A `[[playgrounds.NAME.instance]]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceTable {
    name: Option<String>,
    image: Option<String>,
    start: Option<String>,
}

/// A `[playgrounds.NAME]` table. Whatever is left out has the default of the built-in ones.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaygroundTable {
    title: Option<String>,
    description: Option<String>,
    image: Option<String>,
    instances: Option<u8>,
    #[serde(default)]
    instance: Vec<InstanceTable>,
    max_instances: Option<u8>,
    memory: Option<String>,
    swap: Option<String>,
    cpus: Option<f64>,
    pids: Option<u32>,
    disk: Option<String>,
    io: Option<String>,
    ttl: Option<String>,
    max_ttl: Option<String>,
    egress: Option<String>,
    #[serde(default)]
    egress_allow: Vec<String>,
    #[serde(default)]
    egress_deny: Vec<String>,
    egress_bandwidth: Option<String>,
    egress_connections: Option<u32>,
    user: Option<String>,
    no_new_privileges: Option<bool>,
    user_namespaces: Option<bool>,
    net_admin: Option<bool>,
    rewrite_host: Option<bool>,
}

/// Machines of a session at once, unless said otherwise: as many as Play With Docker had.
const MOST_INSTANCES: u8 = 5;
const MIB: u64 = 1024 * 1024;

/// The playgrounds that exist without a configuration: `tiny` and `workbench`.
pub(crate) fn built_in() -> Result<BTreeMap<PlaygroundName, Playground>, ConfigError> {
    let tiny = PlaygroundTable {
        title: Some("Tiny".into()),
        description: Some("BusyBox on its own: starts at once, and small enough to read whole.".into()),
        memory: Some("128 MiB".into()),
        disk: Some("256 MiB".into()),
        pids: Some(128),
        cpus: Some(1.0),
        ..PlaygroundTable::default()
    };
    let workbench = PlaygroundTable {
        title: Some("Workbench".into()),
        description: Some("Debian with bash, git, python3, vim, curl, jq and sudo.".into()),
        ..PlaygroundTable::default()
    };
    [("tiny", tiny), ("workbench", workbench)].into_iter().map(|(name, table)| named(name, &table)).collect()
}

/// One playground from its table.
pub(crate) fn named(
    name: &str,
    table: &PlaygroundTable,
) -> Result<(PlaygroundName, Playground), ConfigError> {
    let parsed: PlaygroundName = name
        .parse()
        .map_err(|_| ConfigError::value("playgrounds", name, "must be 1 to 32 of a-z, 0-9 and -"))?;
    let playground = table.resolve(parsed.clone())?;
    Ok((parsed, playground))
}

impl PlaygroundTable {
    fn resolve(&self, name: PlaygroundName) -> Result<Playground, ConfigError> {
        let ttl = size::duration("ttl", self.ttl.as_deref().unwrap_or("1h"))?;
        let max_ttl = self.max_ttl.as_deref().map_or(Ok(ttl * 4), |text| size::duration("max_ttl", text))?;
        let image = self.image.clone().unwrap_or_else(|| name.to_string());
        let instances = self.planned(&image)?;
        Ok(Playground {
            title: self.title.clone().unwrap_or_else(|| name.to_string()),
            description: self.description.clone().unwrap_or_default(),
            image,
            max_instances: self.max_instances(instances.len())?,
            instances,
            limits: self.limits()?,
            ttl,
            max_ttl: max_ttl.max(ttl),
            login: login(self.user.as_deref())?,
            no_new_privileges: self.no_new_privileges.unwrap_or(false),
            user_namespaces: self.user_namespaces.unwrap_or(false),
            net_admin: self.net_admin.unwrap_or(false),
            way: Way::parse(self.way_keys())?,
            rewrite_host: self.rewrite_host.unwrap_or(false),
            name,
        })
    }

    fn planned(&self, image: &str) -> Result<Vec<PlannedInstance>, ConfigError> {
        let count = usize::from(self.instances.unwrap_or(1)).max(self.instance.len());
        if !(1..=usize::from(InstanceIndex::COUNT)).contains(&count) {
            return Err(ConfigError::value("instances", &count.to_string(), "must be 1 to 16"));
        }
        let mut tables = self.instance.clone();
        tables.resize(count, InstanceTable::default());
        let planned: Vec<_> = tables.iter().map(|table| table.resolve(image)).collect::<Result<_, _>>()?;
        let mut names = std::collections::BTreeSet::new();
        match planned.iter().flat_map(|one| &one.hostname).find(|name| !names.insert(name.as_str())) {
            Some(twice) => Err(ConfigError::value("instance.name", twice.as_str(), "is there twice")),
            None => Ok(planned),
        }
    }

    /// At least those that it starts with; five unless said otherwise.
    fn max_instances(&self, first: usize) -> Result<u8, ConfigError> {
        let first = u8::try_from(first).unwrap_or(u8::MAX);
        let most = self.max_instances.unwrap_or(MOST_INSTANCES.max(first));
        if (first..=InstanceIndex::COUNT).contains(&most) {
            return Ok(most);
        }
        let rule = format!("must be {first} (those that a session starts with) to 16");
        Err(ConfigError::value("max_instances", &most.to_string(), &rule))
    }

    fn limits(&self) -> Result<Limits, ConfigError> {
        let bytes = |key, text: Option<&str>, default: u64| text.map_or(Ok(default), |t| size::bytes(key, t));
        Ok(Limits {
            memory_bytes: bytes("memory", self.memory.as_deref(), 512 * MIB)?,
            swap_bytes: bytes("swap", self.swap.as_deref(), 0)?,
            cpu_millis: cpu_millis(self.cpus.unwrap_or(1.0))?,
            pids: self.pids.unwrap_or(512).max(8),
            disk_bytes: bytes("disk", self.disk.as_deref(), 1024 * MIB)?,
            io_bytes_per_second: self.io.as_deref().map(|t| size::bytes("io", t)).transpose()?,
        })
    }

    fn way_keys(&self) -> Keys<'_> {
        Keys {
            kind: self.egress.as_deref(),
            allow: &self.egress_allow,
            deny: &self.egress_deny,
            bandwidth: self.egress_bandwidth.as_deref(),
            connections: self.egress_connections,
        }
    }
}

impl InstanceTable {
    fn resolve(&self, image: &str) -> Result<PlannedInstance, ConfigError> {
        Ok(PlannedInstance {
            hostname: self.name.as_deref().map(hostname).transpose()?,
            image: self.image.clone().unwrap_or_else(|| image.to_owned()),
            start: self.start.clone(),
        })
    }
}

/// A name beside that of the number, and so another than that of any number.
fn hostname(text: &str) -> Result<Hostname, ConfigError> {
    let wrong = |rule: &str| ConfigError::value("instance.name", text, rule);
    let name = Hostname::try_from(text.to_owned());
    let name = name.map_err(|_| wrong("must be 1 to 63 of a-z, 0-9 and inner hyphens"))?;
    if InstanceName::is_taken(&name) {
        return Err(wrong("must not be localhost, gateway, or node and a number"));
    }
    Ok(name)
}

fn login(user: Option<&str>) -> Result<Login, ConfigError> {
    match user {
        None | Some("root") => Ok(Login::Root),
        Some("learner") => Ok(Login::Learner),
        Some(other) => Err(ConfigError::value("user", other, "must be root or learner")),
    }
}

fn cpu_millis(cpus: f64) -> Result<u32, ConfigError> {
    if !(0.01..=1024.0).contains(&cpus) {
        return Err(ConfigError::value("cpus", &cpus.to_string(), "must be 0.01 to 1024"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "10 to 1,024,000 after the check"
    )]
    Ok((cpus * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_resolve() {
        let all = built_in().unwrap();
        let tiny = &all[&"tiny".parse().unwrap()];
        assert_eq!((tiny.limits.memory_bytes, tiny.instances.len()), (128 * MIB, 1));
    }

    #[test]
    fn instances_have_names_images_and_commands() {
        let text = "image = 'a'\n[[instance]]\nname = 'web'\nstart = 'serve'\n[[instance]]\nimage = 'b'";
        let table: PlaygroundTable = toml::from_str(text).unwrap();
        let (_, lab) = named("lab", &table).unwrap();
        let images: Vec<&str> = lab.instances.iter().map(|one| one.image.as_str()).collect();
        assert_eq!((images, lab.max_instances), (vec!["a", "b"], 5));
        for wrong in ["name = 'node7'", "name = 'A'", "name = 'gateway'"] {
            let table: PlaygroundTable = toml::from_str(&format!("[[instance]]\n{wrong}")).unwrap();
            assert!(named("lab", &table).unwrap_err().to_string().contains("instance.name"), "{wrong}");
        }
    }
}
