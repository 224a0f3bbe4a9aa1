//! The chains of this network namespace that what is forwarded passes, whosever they are.

use std::fmt;

use super::batch::{Family, GET_CHAIN, GET_RULE, GET_TABLE, Hook, OWNED, SUBSYSTEM};
use crate::failure::{Failure, during};
use crate::net::netlink::{Message, Netlink, attribute, attributes, text};
use crate::sys::netlink as kernel;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForwardChain {
    pub(crate) family: Family,
    pub(crate) table: String,
    pub(crate) name: String,
    /// What no rule of it accepts goes no further.
    pub(crate) refuses: bool,
    /// It belongs to a program that runs, and nobody else may change it.
    pub(crate) is_owned: bool,
}

impl fmt::Display for ForwardChain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.family.name(), self.table, self.name)
    }
}

/// All of them.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn forward_chains(netfilter: &Netlink) -> Result<Vec<ForwardChain>, Failure> {
    let ask = Message::new(SUBSYSTEM << 8 | GET_CHAIN, kernel::NLM_F_DUMP, &[0; 4]);
    let bodies = netfilter.dump(ask).map_err(during("list the chains"))?;
    let mut chains: Vec<ForwardChain> = bodies.iter().filter_map(|body| parse(body)).collect();
    for chain in chains.iter_mut().filter(|chain| !chain.refuses) {
        chain.refuses = chain.rules(netfilter)?.last().is_some_and(|rule| refuses_all(rule));
    }
    let owned = owned_tables(netfilter)?;
    for chain in &mut chains {
        chain.is_owned = owned.iter().any(|(family, table)| (*family, table) == (chain.family, &chain.table));
    }
    Ok(chains)
}

fn owned_tables(netfilter: &Netlink) -> Result<Vec<(Family, String)>, Failure> {
    let ask = Message::new(SUBSYSTEM << 8 | GET_TABLE, kernel::NLM_F_DUMP, &[0; 4]);
    let bodies = netfilter.dump(ask).map_err(during("list the tables"))?;
    let owned = |body: &Vec<u8>| {
        let (header, list) = body.split_at_checked(4)?;
        let flags = u32::from_be_bytes(attribute(list, 2)?.try_into().ok()?);
        let table = (Family::routed(*header.first()?)?, text(attribute(list, 1)?));
        (flags & OWNED != 0).then_some(table)
    };
    Ok(bodies.iter().filter_map(owned).collect())
}

/// A chain at the hook; whether it refuses is what its policy says.
fn parse(body: &[u8]) -> Option<ForwardChain> {
    let (header, list) = body.split_at_checked(4)?;
    let family = Family::routed(*header.first()?)?;
    let is_forward = attribute(attribute(list, 4)?, 1)? == Hook::FORWARD.to_be_bytes();
    let is_filter = attribute(list, 7).is_some_and(|kind| text(kind) == "filter");
    let refuses = attribute(list, 5)? == [0; 4];
    let (table, name) = (text(attribute(list, 1)?), text(attribute(list, 3)?));
    (is_forward && is_filter).then_some(ForwardChain { family, table, name, refuses, is_owned: false })
}

impl ForwardChain {
    /// Handles of the rules that bear a mark in their comment, nft(8)'s own or that of iptables(8).
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn rules_with(&self, netfilter: &Netlink, mark: &str) -> Result<Vec<[u8; 8]>, Failure> {
        let wanted = [mark.as_bytes(), &[0]].concat();
        let bears = |rule: &[u8]| rule.windows(wanted.len()).any(|bytes| bytes == wanted);
        let rules = self.rules(netfilter)?;
        let marked = rules.iter().filter(|rule| bears(rule));
        Ok(marked.filter_map(|rule| attribute(rule, 3)?.try_into().ok()).collect())
    }

    /// The attributes of each rule, in their order.
    fn rules(&self, netfilter: &Netlink) -> Result<Vec<Vec<u8>>, Failure> {
        let header = [self.family as u8, 0, 0, 0];
        let ask = Message::new(SUBSYSTEM << 8 | GET_RULE, kernel::NLM_F_DUMP, &header);
        let ask = ask.put_text(1, &self.table).put_text(2, &self.name);
        let bodies = netfilter.dump(ask).map_err(during(format!("list the rules of `{self}`")))?;
        Ok(bodies.iter().filter_map(|body| Some(body.get(4..)?.to_vec())).collect())
    }
}

/// Whether a rule drops or rejects whatever comes to it.
fn refuses_all(rule: &[u8]) -> bool {
    let expressions: Vec<&[u8]> =
        attribute(rule, 4).into_iter().flat_map(attributes).map(|(_, e)| e).collect();
    let is_free = |expression: &&[u8]| {
        let name = attribute(expression, 1).map(text);
        matches!(name.as_deref(), Some("counter" | "log" | "immediate" | "reject" | "target"))
    };
    expressions.iter().all(is_free) && expressions.iter().any(|expression| refuses(expression) == Some(true))
}

fn refuses(expression: &[u8]) -> Option<bool> {
    let data = || attribute(expression, 2);
    Some(match text(attribute(expression, 1)?).as_str() {
        "reject" => true,
        "immediate" => attribute(attribute(attribute(data()?, 2)?, 2)?, 1)? == [0; 4],
        "target" => text(attribute(data()?, 1)?) == "REJECT",
        _ => false,
    })
}
