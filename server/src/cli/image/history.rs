//! `sandlot image history`.

use std::io::Write;

use anyhow::Result;
use sandlot_runtime::image::Scope;
use time::OffsetDateTime;

use super::arguments::History;
use super::moment;
use super::place::Place;
use crate::config::Config;

const SHOWN_CHARS: usize = 45;

/// Shows how an image came about, the last step first.
///
/// # Errors
/// When there is no such image.
pub(super) fn run(config: &Config, what: &History, out: &mut dyn Write) -> Result<()> {
    let image = Place::open(config)?.store.find(&Scope::Node, &what.image)?;
    let id = if what.no_trunc { image.id.to_string() } else { image.id.short().to_owned() };
    if what.quiet {
        return Ok(writeln!(out, "{id}")?);
    }
    let mut sizes = image.layers.iter().map(|layer| layer.size_bytes);
    let history = image.configuration.history().clone().unwrap_or_default();
    let mut lines: Vec<(String, String, String, String)> = Vec::new();
    for step in &history {
        let size = if step.empty_layer().unwrap_or(false) { 0 } else { sizes.next().unwrap_or(0) };
        let created = moment::ago(step.created().as_deref(), OffsetDateTime::now_utc());
        let by = shortened(step.created_by().as_deref().unwrap_or_default(), what.no_trunc);
        lines.push((created, by, moment::size(size), step.comment().clone().unwrap_or_default()));
    }
    // Layers that no step speaks of.
    lines.extend(sizes.map(|size| (String::new(), String::new(), moment::size(size), String::new())));
    let width = id.len().max("<missing>".len()) + 3;
    let by_width = lines.iter().map(|line| line.1.chars().count()).chain([10]).max().unwrap_or(10) + 3;
    writeln!(out, "{:<width$}{:<16}{:<by_width$}{:<10}COMMENT", "IMAGE", "CREATED", "CREATED BY", "SIZE")?;
    for (at, (created, by, size, comment)) in lines.iter().rev().enumerate() {
        let name = if at == 0 { id.as_str() } else { "<missing>" };
        writeln!(out, "{name:<width$}{created:<16}{by:<by_width$}{size:<10}{comment}")?;
    }
    Ok(())
}

/// One line of printable characters.
fn shortened(text: &str, whole: bool) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if whole || plain.chars().count() <= SHOWN_CHARS {
        return plain;
    }
    plain.chars().take(SHOWN_CHARS - 1).chain(['…']).collect()
}
