//! `--chown`: users and groups, looked up in the image's own files.

use std::io::Read;

use sandlot_runtime::archive::reader::Reader;

use super::error::{Error, Result};
use super::machine::BuildMachine;

const LIMIT: u64 = 1 << 20;

/// Owner and group of what is copied.
pub(super) fn find(machine: &mut BuildMachine<'_>, text: &str, line: usize) -> Result<(u64, u64)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let unknown = |what: &str, name: &str, file: &str| {
        Error::at(line, format!("--chown={text}: the image's {file} has no {what} `{name}`"))
    };
    let users = if is_number(user) { String::new() } else { read(machine, "/etc/passwd")? };
    let found = fields(&users, user);
    let uid = number(user).or_else(|| found.as_ref()?.get(2)?.parse().ok());
    let uid = uid.ok_or_else(|| unknown("user", user, "/etc/passwd"))?;
    let gid = match group {
        Some(group) if is_number(group) => number(group),
        Some(group) => {
            let groups = read(machine, "/etc/group")?;
            fields(&groups, group).and_then(|fields| fields.get(2)?.parse().ok())
        }
        // The group of a user that is named is its own.
        None => found.as_ref().and_then(|fields| fields.get(3)?.parse().ok()).or(Some(uid)),
    };
    Ok((uid, gid.ok_or_else(|| unknown("group", group.unwrap_or_default(), "/etc/group"))?))
}

fn is_number(text: &str) -> bool {
    number(text).is_some()
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn fields(table: &str, name: &str) -> Option<Vec<String>> {
    let line = table.lines().find(|line| line.split(':').next() == Some(name))?;
    Some(line.split(':').map(str::to_owned).collect())
}

/// The beginning of the first file in a tar, which is read to its end.
fn first_text(tar: impl Read) -> std::io::Result<String> {
    let mut archive = Reader::new(tar);
    let mut text = Vec::new();
    if archive.next_member()?.is_some() {
        archive.content().take(LIMIT).read_to_end(&mut text)?;
    }
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The file's text; empty when there is none.
fn read(machine: &mut BuildMachine<'_>, path: &str) -> Result<String> {
    let text = machine.get(path, |tar| first_text(tar).map_err(Error::io("read a file of the image")))?;
    Ok(text.unwrap_or_default())
}
