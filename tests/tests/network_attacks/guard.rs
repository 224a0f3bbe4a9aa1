//! What keeps a session's network in order, and how a test takes it away.

use anyhow::Result;
use sandlot_tests::firewall::{add_rule, remove_rule};
use sandlot_tests::place::Place;

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
            Self::Rule(words) => remove_rule(switch, "bridge ports from_port", words),
            Self::Ports(what) => add_rule(switch, "bridge ports from_port", &format!("{what} accept")),
            Self::Input(what) => add_rule(switch, "inet switch input", &format!("{what} accept")),
        }
    }
}
