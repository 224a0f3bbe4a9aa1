//! Id maps of a user namespace that an ordinary user has made (user_namespaces(7)).
//!
//! A user may map their own id and nothing else. More ids come from the ranges in /etc/subuid and /etc/subgid, which only
//! the set-user-id programs newuidmap and newgidmap can map.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::unistd::{Pid, getegid, geteuid};

use crate::failure::{Failure, during};
use crate::spec::IdMap;

/// Writes the maps of the user namespace that `pid` has made.
///
/// # Errors
/// With what is missing on the host.
pub fn write(pid: Pid, uids: &[IdMap], gids: &[IdMap]) -> Result<(), Failure> {
    match is_own(uids, geteuid().as_raw()) {
        true => put(pid, "uid_map", &text(uids))?,
        false => ask("newuidmap", "/etc/subuid", pid, uids)?,
    }
    match is_own(gids, getegid().as_raw()) {
        true => {
            // The right to drop groups is given up first: dropping one can give access.
            put(pid, "setgroups", "deny")?;
            put(pid, "gid_map", &text(gids))
        }
        false => ask("newgidmap", "/etc/subgid", pid, gids),
    }
}

/// Whether nothing but the user's own id is mapped.
pub fn is_own(maps: &[IdMap], id: u32) -> bool {
    matches!(maps, [map] if map.outside == id && map.count == 1)
}

/// The maps as the kernel takes them.
pub fn text(maps: &[IdMap]) -> String {
    maps.iter().map(|map| format!("{} {} {}\n", map.inside, map.outside, map.count)).collect()
}

fn put(pid: Pid, file: &str, text: &str) -> Result<(), Failure> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
        during(format!("write `{}` to `{path}`", text.trim()))(errno)
    })
}

fn ask(program: &str, ranges: &str, pid: Pid, maps: &[IdMap]) -> Result<(), Failure> {
    let said = |text: String| Failure { message: text, errno: Errno::UnknownErrno };
    let path = find(program).ok_or_else(|| {
        said(format!("map ids: {program} is missing: install the package uidmap, or map your own id alone"))
    })?;
    let mut command = Command::new(path);
    command.arg(pid.to_string());
    for map in maps {
        command.args([map.inside, map.outside, map.count].map(|number| number.to_string()));
    }
    let output = command.output().map_err(|error| said(format!("run {program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(said(format!("map ids: {why}; is there a range for this user in {ranges}?")))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_own_id_needs_no_helper() {
        let map = |outside, count| IdMap { inside: 0, outside, count };
        assert!(is_own(&[map(1000, 1)], 1000));
        assert!(!is_own(&[map(1000, 2)], 1000) && !is_own(&[map(1001, 1)], 1000));
        assert!(!is_own(&[map(1000, 1), map(100_000, 10)], 1000));
        assert_eq!(text(&[map(1000, 1)]), "0 1000 1\n");
    }
}
