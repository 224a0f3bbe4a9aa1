//! Rules of a network namespace as nft(8) shows them to root of the host: how a test takes one away.

use anyhow::{Context, Result};

use crate::place::Place;

/// Removes the rule of a chain (`inet switch input`) whose text holds all of these words.
///
/// # Errors
/// When there is none; what there is is part of the message.
pub fn remove_rule(place: &Place, chain: &str, words: &[&str]) -> Result<()> {
    let rules = place.output(&["nft", "-a", &format!("list chain {chain}")])?;
    let rule = rules.lines().find(|line| words.iter().all(|word| line.contains(word)));
    let handle = rule.and_then(|line| line.rsplit(' ').next());
    let handle = handle.with_context(|| format!("no rule with {words:?} in {rules}"))?;
    place.output(&["nft", &format!("delete rule {chain} handle {handle}")]).map(drop)
}

/// Adds a rule behind those of a chain.
///
/// # Errors
/// When nft(8) does not take it.
pub fn add_rule(place: &Place, chain: &str, rule: &str) -> Result<()> {
    place.output(&["nft", &format!("add rule {chain} {rule}")]).map(drop)
}
