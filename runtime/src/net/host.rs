//! The host's own settings and filters, as far as sessions that go out need them changed, and only where root asks for it.
//!
//! What is changed stands in a record before it is changed, so that it can be taken back by whoever finds the record: the
//! supervisor at its end, or the next one after a supervisor that was killed.

mod forwarding;
mod pass;
mod record;

use std::fs::{self, File};
use std::path::Path;

use nix::errno::Errno;

use crate::failure::{Failure, during};
pub(crate) use forwarding::{Version, learned_routes};
pub(crate) use pass::mark;
use record::Record;

/// Lets packets of the gateway's link through. May be repeated: what is there stays, and what another program has removed
/// meanwhile is made again. The caller is in the host's network namespace.
///
/// # Errors
/// One for each thing that could not be changed; all else is.
pub(crate) fn configure(path: &Path, link: &str) -> Vec<Failure> {
    let begun = lock(path).and_then(|lock| Ok((lock, Record::find(path)?)));
    let (_lock, found) = match begun {
        Ok(begun) => begun,
        Err(failure) => return vec![failure],
    };
    let mut record = found.unwrap_or_else(|| Record::of(link));
    let mut failures = Vec::new();
    for version in [Version::V4, Version::V6] {
        failures.extend(forwarding::turn_on(version, &mut record, path).err());
    }
    // Its name stands in the record before its rules are made.
    match record.save(path) {
        Ok(()) => failures.extend(pass::let_pass(link)),
        Err(failure) => failures.push(failure),
    }
    failures
}

/// Takes back what [`configure`] has changed, if anything. May be repeated.
///
/// # Errors
/// One for each thing that could not be taken back; the record stays then.
pub fn restore(path: &Path) -> Vec<Failure> {
    if !path.exists() {
        return Vec::new();
    }
    let record = match lock(path).and_then(|lock| Ok((lock, Record::find(path)?))) {
        Ok((_lock, record)) => record,
        Err(failure) => return vec![failure],
    };
    // Of another boot or network namespace: nothing of it is left.
    let mut failures = record.map(|record| take_back(&record)).unwrap_or_default();
    if failures.is_empty() {
        failures.extend(fs::remove_file(path).err().map(|error| io("remove", path)(error)));
    }
    failures
}

fn take_back(record: &Record) -> Vec<Failure> {
    let mut failures = pass::remove(record.link());
    failures.extend(record.settings().filter_map(|setting| setting.restore().err()));
    failures
}

/// Two workers change nothing at once.
fn lock(path: &Path) -> Result<File, Failure> {
    let path = path.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io("open", &path))?;
    file.lock().map_err(io("lock", &path))?;
    Ok(file)
}

/// Names the operation and the file in an error.
fn io(operation: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let message = format!("{operation} `{}`", path.display());
    |error| during(message)(Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
}
