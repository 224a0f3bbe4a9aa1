//! The rules of deny.toml, checked with what cargo itself says: licences, banned crates, sources.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

fn metadata() -> Result<Vec<Value>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output =
        Command::new(cargo).args(["metadata", "--format-version", "1", "--locked", "--offline"]).output()?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(answer.get("packages").and_then(Value::as_array).context("no packages")?.clone())
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The quoted words of the lines from the one that starts with `from` to the next `]`.
fn quoted(from: &str) -> Vec<String> {
    let rules = include_str!("../../deny.toml");
    let block =
        rules.split_once(from).and_then(|(_, rest)| rest.split_once("\n]")).map_or("", |(block, _)| block);
    let lines = block.lines().filter(|l| !l.trim_start().starts_with('#'));
    lines.flat_map(|l| l.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met by the allowed licences: one side of each OR, all sides of each AND.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression
        .split(" OR ")
        .any(|choice| choice.split(" AND ").all(|one| allowed.iter().any(|a| a == one.trim())))
}

#[test]
fn licences_are_allowed() -> Result<()> {
    let allowed = quoted("allow = [");
    for package in metadata()? {
        let licence = text(&package, "license");
        assert!(
            is_met(licence, &allowed),
            "{}: licence `{licence}` is not in deny.toml",
            text(&package, "name")
        );
    }
    Ok(())
}

#[test]
fn banned_crates_are_absent_and_all_come_from_the_registry() -> Result<()> {
    let banned = quoted("deny = [");
    assert!(banned.len() > 3);
    for package in metadata()? {
        let name = text(&package, "name");
        assert!(!banned.iter().any(|b| b == name), "{name} is banned by deny.toml");
        let source = text(&package, "source");
        assert!(source.is_empty() || source.starts_with("registry+"), "{name} comes from {source}");
    }
    Ok(())
}
