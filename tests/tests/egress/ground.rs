//! A node in a world of the test's own, its sessions, and the namespaces between them.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use nix::net::if_::if_nametoindex;
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::place::{self, Place};

use crate::world::World;

const CONFIG: &str = r#"
name-servers = ["203.0.113.1"]

[playgrounds.none]
image = "tiny"

[playgrounds.open]
image = "tiny"
egress = "nat"
egress_deny = ["198.51.100.20", "denied.example"]
egress_bandwidth = "1 MiB"

[playgrounds.some]
image = "tiny"
egress = "nat"
egress_allow = ["web.example:80", "198.51.100.20:8080", "10.20.0.0/16"]

[playgrounds.named]
image = "tiny"
egress = "nat"
egress_allow = ["web.example:80"]

[playgrounds.slow]
image = "tiny"
egress = "nat"
egress_connections = 5

[playgrounds.pair]
image = "tiny"
egress = "nat"

[[playgrounds.pair.instance]]
name = "web"

[[playgrounds.pair.instance]]
name = "db"
"#;

pub(crate) struct Ground {
    pub(crate) node: TestNode,
    pub(crate) world: World,
}

/// A session, with its first instance and its switch.
pub(crate) struct Net {
    pub(crate) session: Session,
    pub(crate) instance: Place,
    pub(crate) switch: Place,
}

/// A node whose host is this thread's network namespace.
pub(crate) fn ground() -> Result<Ground> {
    with_arguments(&[])
}

/// The same for tests that look for a session's namespaces: only they make any.
pub(crate) fn open_ground() -> Result<Ground> {
    with_arguments(&["--ready-networks", "0"])
}

fn with_arguments(arguments: &[&str]) -> Result<Ground> {
    let world = World::enter();
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    let node = TestNode::with(Options { config: CONFIG.to_owned(), arguments, ..Options::default() })?;
    Ok(Ground { node, world })
}

impl Ground {
    pub(crate) async fn session(&self, playground: &str) -> Result<Session> {
        Api::new(&self.node.url())?.create(playground).await
    }

    pub(crate) async fn net(&self, playground: &str) -> Result<Net> {
        let machines = || place::first_processes(self.node.cgroup_parent());
        let known: BTreeSet<u64> = self.with_link("up0")?.iter().map(Place::inode).collect::<Result<_>>()?;
        let before = machines()?;
        let session = self.session(playground).await?;
        let first = machines()?.into_iter().find(|machine| !before.contains(machine));
        let (_, pid) = first.context("no new machine")?;
        let switches = self.with_link("up0")?;
        let is_new = |place: &Place| place.inode().is_ok_and(|inode| !known.contains(&inode));
        let switch = switches.into_iter().find(is_new).context("no new switch")?;
        Ok(Net { session, instance: Place::Instance(pid), switch })
    }

    /// The namespace between switches and host.
    pub(crate) fn gateway(&self) -> Result<Place> {
        self.with_link("out0")?.into_iter().next().context("the supervisor holds no gateway")
    }

    /// What the supervisor holds and has a link of this name.
    fn with_link(&self, link: &'static str) -> Result<Vec<Place>> {
        let mut places = place::held_by(self.node.supervisor_pid()?)?;
        places.retain(|place| place.within(|| Ok(if_nametoindex(link)?)).is_ok());
        Ok(places)
    }
}

/// What a web server answers, or nothing. (Debian's static busybox crashes at `wget -T`.)
pub(crate) async fn fetch(session: &Session, url: &str) -> Result<Option<String>> {
    let (code, text) = session.sh(&format!("timeout 3 wget -qO- {url} 2>&1")).await?;
    Ok((code == 0).then(|| text.trim().to_owned()))
}

/// The same for many at once, each in so many seconds.
async fn fetch_all(session: &Session, urls: &[String], seconds: u32) -> Result<Vec<Option<String>>> {
    let mut script = String::new();
    for (number, url) in urls.iter().enumerate() {
        let fetch = format!("timeout {seconds} wget -qO- '{url}' 2>/dev/null");
        write!(script, "(got=$({fetch}) && echo {number} $got) & ")?;
    }
    let (code, text) = session.sh(&(script + "wait")).await?;
    ensure!(code == 0, "{code} {text}");
    let answer = |number: usize| {
        let start = format!("{number} ");
        text.lines().find_map(|line| Some(line.strip_prefix(&start)?.to_owned()))
    };
    Ok((0..urls.len()).map(answer).collect())
}

/// Nothing of this must be reached.
pub(crate) async fn ensure_refused(session: &Session, urls: &[String], when: &str) -> Result<()> {
    // Whatever is let through answers in milliseconds; some layers give no answer at all.
    let answers = fetch_all(session, urls, 1).await?;
    let reached: Vec<_> = urls.iter().zip(answers).filter(|(_, answer)| answer.is_some()).collect();
    ensure!(reached.is_empty(), "{when}: {reached:?} was reached");
    Ok(())
}

/// All of this must be.
pub(crate) async fn ensure_reached(session: &Session, urls: &[String], when: &str) -> Result<()> {
    let answers = fetch_all(session, urls, 20).await?;
    let missed: Vec<_> = urls.iter().zip(answers).filter(|(_, answer)| answer.is_none()).collect();
    ensure!(missed.is_empty(), "{when}: {missed:?} was not reached");
    Ok(())
}
