//! `sandlot image ls`.

use std::io::Write;

use anyhow::Result;
use sandlot_runtime::image::{Image, Scope};
use time::OffsetDateTime;

use super::arguments::{Format, Ls};
use super::moment;
use super::place::Place;
use crate::config::Config;

const NONE: &str = "<none>";

/// One line of the list.
struct Row {
    repository: String,
    tag: String,
    digest: String,
    id: String,
    created: String,
    size: String,
}

/// Lists the node's images.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn run(config: &Config, what: &Ls, out: &mut dyn Write) -> Result<()> {
    let images = Place::open(config)?.store.images(&Scope::Node)?;
    let wanted = |image: &&Image| match (&what.repository, &image.reference) {
        (None, _) => true,
        (Some(wanted), Some(name)) => {
            name == wanted || (wanted.tag() == Some("latest") && name.is_beside(wanted))
        }
        (Some(_), None) => false,
    };
    let rows: Vec<Row> = images.iter().filter(wanted).map(|image| row(image, what)).collect::<Result<_>>()?;
    match what.format {
        _ if what.quiet => rows.iter().try_for_each(|row| writeln!(out, "{}", row.id))?,
        Format::Table => table(&rows, what.digests, out)?,
        Format::Json => rows.iter().try_for_each(|row| writeln!(out, "{}", row.to_json()))?,
    }
    Ok(())
}

fn row(image: &Image, what: &Ls) -> Result<Row> {
    let name = image.reference.as_ref();
    let created = image.configuration.created().as_deref();
    Ok(Row {
        repository: name.map_or_else(|| NONE.to_owned(), |name| name.familiar_name()),
        tag: name.and_then(|name| name.tag()).unwrap_or(NONE).to_owned(),
        digest: image.digest()?.to_string(),
        id: if what.no_trunc { image.id.to_string() } else { image.id.short().to_owned() },
        created: moment::ago(created, OffsetDateTime::now_utc()),
        size: moment::size(image.size_bytes()),
    })
}

fn table(rows: &[Row], digests: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let width = |title: &str, of: fn(&Row) -> &str| {
        rows.iter().map(|row| of(row).chars().count()).chain([title.len()]).max().unwrap_or_default() + 3
    };
    let repository = width("REPOSITORY", |row| &row.repository);
    let tag = width("TAG", |row| &row.tag);
    let digest = if digests { width("DIGEST", |row| &row.digest) } else { 0 };
    let id = width("IMAGE ID", |row| &row.id);
    let created = width("CREATED", |row| &row.created);
    let mut line = |cells: [&str; 6]| {
        let [a, b, c, d, e, f] = cells;
        let c = if digests { c } else { "" };
        writeln!(out, "{a:<repository$}{b:<tag$}{c:<digest$}{d:<id$}{e:<created$}{f}")
    };
    line(["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"])?;
    rows.iter().try_for_each(|r| line([&r.repository, &r.tag, &r.digest, &r.id, &r.created, &r.size]))
}

impl Row {
    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "Repository": self.repository, "Tag": self.tag, "Digest": self.digest, "ID": self.id,
            "CreatedSince": self.created, "Size": self.size,
        })
    }
}
