//! What was left open or entered for this process by those who started it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::outcome::Outcome;

/// Looks for a descriptor besides 0, 1 and 2, for one of these that leads to a folder, and for a working directory that
/// does not lie below the root.
pub(crate) fn see_others(_: &[String]) -> Outcome {
    if let outcome @ (Outcome::Succeeded(_) | Outcome::NotTried(_)) = working_directory() {
        return outcome;
    }
    let folder = match fs::read_dir("/proc/self/fd") {
        Ok(folder) => folder,
        Err(error) => return Outcome::unprepared("read own descriptors", error),
    };
    let mut links: Vec<(i32, String)> = Vec::new();
    for entry in folder.flatten() {
        let number = entry.file_name().to_string_lossy().parse().unwrap_or(-1);
        // The folder being read is itself one, and gone once the list is made.
        if let Ok(target) = fs::read_link(entry.path()) {
            links.push((number, target.display().to_string()));
        }
    }
    let own = format!("/proc/{}/fd", std::process::id());
    let others = links.iter().filter(|(number, target)| *number > 2 && *target != own);
    let folders = links
        .iter()
        .filter(|(number, _)| *number <= 2 && Path::new(&format!("/proc/self/fd/{number}")).is_dir());
    match others.chain(folders).next() {
        Some((number, target)) => Outcome::Succeeded(format!("descriptor {number} is {target}")),
        None => {
            Outcome::Refused(format!("only {} descriptors, working directory inside", links.len().min(3)))
        }
    }
}

fn working_directory() -> Outcome {
    let link = fs::read_link("/proc/self/cwd").map(|path| path.display().to_string());
    let here = fs::metadata(".").map(|m| (m.dev(), m.ino()));
    let by_name = std::env::current_dir().and_then(fs::metadata).map(|m| (m.dev(), m.ino()));
    match (link, here, by_name) {
        (Ok(link), Ok(here), Ok(by_name)) if here == by_name && !link.starts_with("(unreachable)") => {
            Outcome::Refused(format!("working directory {link}"))
        }
        (link, ..) => Outcome::Succeeded(format!("working directory {link:?} lies outside")),
    }
}
