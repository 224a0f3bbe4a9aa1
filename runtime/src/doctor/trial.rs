//! Trying something in a child that has mounts of its own.

use std::fs::File;
use std::io::{Read, Write};

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::wait::waitpid;
use nix::unistd::pipe;

use crate::sys::clone::{Cloned, clone, exit_now};

/// Longest sentence that is taken from the child.
const MAX_SENTENCE_BYTES: u64 = 4096;

/// Runs `attempt` there; its error comes back as a sentence.
pub(super) fn attempt(attempt: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let (from_child, to_parent) = pipe().map_err(|errno| format!("make a pipe: {errno}"))?;
    match clone(CloneFlags::CLONE_NEWNS, None).map_err(|errno| format!("start a child: {errno}"))? {
        Cloned::Child => {
            let sentence = keep_mounts().and_then(|()| attempt()).err().unwrap_or_default();
            let written = File::from(to_parent).write_all(sentence.as_bytes());
            exit_now(i32::from(written.is_err()))
        }
        Cloned::Parent(pid, _) => {
            drop(to_parent);
            let mut sentence = String::new();
            let read = File::from(from_child).take(MAX_SENTENCE_BYTES).read_to_string(&mut sentence);
            read.map_err(|error| format!("read from the child: {error}"))?;
            waitpid(pid, None).map_err(|errno| format!("wait for the child: {errno}"))?;
            if sentence.is_empty() { Ok(()) } else { Err(sentence) }
        }
    }
}

fn keep_mounts() -> Result<(), String> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)
        .map_err(|errno| format!("make the mounts private: {errno}"))
}
