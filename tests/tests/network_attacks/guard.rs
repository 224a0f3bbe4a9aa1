//! What keeps a session's network in order, and how a test takes it away: by nft(8), as root of the host.

use anyhow::{Context, Result};

use crate::place::Place;

/// A guard of the switch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard<'a> {
    /// The rule of the ports whose text holds all of these words.
    Rule(&'a [&'a str]),
    /// That only what a rule accepts passes the ports: what the words tell is let through, too.
    Ports(&'a str),
    /// That the switch itself takes only what a rule accepts.
    Input(&'a str),
}

impl Guard<'_> {
    /// Takes away this one and no other.
    pub(crate) fn remove(self, switch: &Place) -> Result<()> {
        match self {
            Self::Rule(words) => {
                let rules = switch.output(&["nft", "-a", "list", "chain", "bridge", "ports", "from_port"])?;
                let rule = rules.lines().find(|line| words.iter().all(|word| line.contains(word)));
                let handle = rule.and_then(|line| line.rsplit(' ').next());
                let handle = handle.with_context(|| format!("no rule with {words:?} in {rules}"))?;
                let delete = ["nft", "delete", "rule", "bridge", "ports", "from_port", "handle", handle];
                switch.output(&delete).map(drop)
            }
            Self::Ports(what) => add(switch, &format!("bridge ports from_port {what} accept")),
            Self::Input(what) => add(switch, &format!("inet switch input {what} accept")),
        }
    }
}

fn add(switch: &Place, rule: &str) -> Result<()> {
    switch.output(&["nft", &format!("add rule {rule}")]).map(drop)
}
