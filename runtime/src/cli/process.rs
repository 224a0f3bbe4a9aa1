//! The process that `exec` starts: from a document, or from the container's own and the flags.

use std::collections::HashSet;

use oci_spec::runtime::{Capability, Process};

use super::arguments::Parsed;
use crate::oci::{Error, Record, read_process};

/// What the flags ask for.
pub(super) fn wanted(record: &Record, given: &Parsed) -> Result<Process, Error> {
    if let Some(path) = given.filled("process") {
        let text = std::fs::read(path).map_err(Error::file("open", path))?;
        return Ok(read_process(&text)?);
    }
    let args = given.rest.get(1..).unwrap_or_default();
    if args.is_empty() {
        return Err(Error::said("process args cannot be empty"));
    }
    let spec = record.spec()?;
    let mut process =
        spec.process().clone().ok_or_else(|| Error::said("process property must not be empty"))?;
    process.set_args(Some(args.to_vec()));
    process.set_terminal(Some(given.has("tty")));
    if let Some(cwd) = given.filled("cwd") {
        process.set_cwd(cwd.into());
    }
    let env = given.all("env").into_iter().map(str::to_owned);
    process.set_env(Some(process.env().iter().flatten().cloned().chain(env).collect()));
    set_user(&mut process, given)?;
    set_security(&mut process, given)?;
    Ok(process)
}

fn set_user(process: &mut Process, given: &Parsed) -> Result<(), Error> {
    let mut user = process.user().clone();
    if let Some(text) = given.filled("user") {
        let number = |what: &str, text: &str| {
            let invalid = || Error::said(format!("parsing {text} as int for {what} failed: invalid syntax"));
            text.parse::<u32>().map_err(|_| invalid())
        };
        let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
        user.set_uid(number("uid", uid)?);
        if let Some(gid) = gid {
            user.set_gid(number("gid", gid)?);
        }
    }
    let mut groups = user.additional_gids().clone().unwrap_or_default();
    for text in given.all("additional-gids").iter().flat_map(|list| list.split(',')) {
        let invalid = |_| Error::said(format!("additional-gids must be a positive number {text}"));
        groups.push(text.parse::<u32>().map_err(invalid)?);
    }
    user.set_additional_gids(Some(groups).filter(|groups| !groups.is_empty()));
    process.set_user(user);
    Ok(())
}

fn set_security(process: &mut Process, given: &Parsed) -> Result<(), Error> {
    if let Some(profile) = given.filled("apparmor") {
        process.set_apparmor_profile(Some(profile.to_owned()));
    }
    if let Some(label) = given.filled("process-label") {
        process.set_selinux_label(Some(label.to_owned()));
    }
    if given.text("no-new-privs").is_some() {
        process.set_no_new_privileges(Some(given.has("no-new-privs")));
    }
    let names = given.all("cap");
    if names.is_empty() {
        return Ok(());
    }
    let read = |name: &&str| {
        serde_json::from_value::<Capability>(serde_json::json!(name))
            .map_err(|_| Error::said(format!("unknown capability {name:?}")))
    };
    let added: HashSet<Capability> = names.iter().map(read).collect::<Result<_, _>>()?;
    let mut sets = process.capabilities().clone().unwrap_or_default();
    let with = |set: &Option<HashSet<Capability>>| {
        Some(set.iter().flatten().copied().chain(added.iter().copied()).collect())
    };
    sets.set_bounding(with(sets.bounding()));
    sets.set_effective(with(sets.effective()));
    sets.set_permitted(with(sets.permitted()));
    sets.set_inheritable(with(sets.inheritable()));
    sets.set_ambient(with(sets.ambient()));
    process.set_capabilities(Some(sets));
    Ok(())
}
