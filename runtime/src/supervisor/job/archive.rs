//! Archives of an instance's files, and what it has changed.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::join::open_leaf;
use super::machine::isolate;
use super::{given_at, given_first, refused};
use crate::archive::diff::{self, Diffing};
use crate::archive::made::Made;
use crate::archive::{self, Error, ErrorKind, Instance};
use crate::cgroup::{Leaf, LeafName};
use crate::supervisor::ground::Ground;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{ArchiveOptions, PathStat, Refusal, RefusalKind};
use crate::supervisor::worker::{Report, Reporter};

/// Which instance.
type Whose = (SessionNumber, InstanceIndex);

/// Extracts a tar inside.
pub(super) fn put(
    ground: &Ground,
    whose: Whose,
    path: &str,
    options: ArchiveOptions,
    given: &[BorrowedFd<'_>],
) -> Result<(), Refusal> {
    let leaf = leaf(ground, whose)?;
    let instance = Instance { init: given_first(given)?, leaf: &leaf };
    archive::put(&instance, path, options, given_at(given, 1)?).map_err(|error| refusal(whose, error))
}

/// Writes a path as a tar.
pub(super) fn get(
    ground: &Ground,
    whose: Whose,
    path: &str,
    given: &[BorrowedFd<'_>],
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let leaf = leaf(ground, whose)?;
    let instance = Instance { init: given_first(given)?, leaf: &leaf };
    let found = archive::get(&instance, path, given_at(given, 1)?).map_err(|error| refusal(whose, error))?;
    tell(found, reporter)
}

/// Looks at a path.
pub(super) fn stat(
    ground: &Ground,
    whose: Whose,
    path: &str,
    given: &[BorrowedFd<'_>],
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let leaf = leaf(ground, whose)?;
    let instance = Instance { init: given_first(given)?, leaf: &leaf };
    tell(archive::stat(&instance, path).map_err(|error| refusal(whose, error))?, reporter)
}

fn tell(found: PathStat, reporter: &Reporter) -> Result<(), Refusal> {
    reporter.send(&Report::PathStat(found), &[]).map_err(|error| refused("report", &error))
}

fn leaf(ground: &Ground, (session, index): Whose) -> Result<Leaf, Refusal> {
    let operation = format!("enter instance {index} of session {session}");
    let leaf = open_leaf(ground, session, index, LeafName::Machine);
    let leaf = leaf.map_err(|error| refused(&operation, &error))?;
    let has_ended =
        || Refusal { kind: RefusalKind::Busy, message: format!("{operation}: it has ended"), step: None };
    leaf.ok_or_else(has_ended)
}

/// Writes what has changed. The disk is mounted once more, in a mount namespace of this worker's own.
pub(super) fn diff(
    ground: &Ground,
    whose: Whose,
    clamp: Option<i64>,
    given: &[BorrowedFd<'_>],
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let (session, index) = whose;
    let operation = format!("compare instance {index} of session {session}");
    let (userns, out) = (given_first(given)?, given_at(given, 1)?);
    isolate(ground, &[userns, out, reporter.as_fd()], &operation)?;
    let folder = ground.instance_dir(session, index);
    if !ground.driver.keeps_files() {
        let driver = ground.driver.name();
        let message = format!("{operation}: a disk of kind {driver} cannot be looked at from outside");
        return Err(Refusal { kind: RefusalKind::Failed, message, step: None });
    }
    let disk = ground.driver.attach(&folder).map_err(|error| refused(&operation, &error))?;
    let upper = File::open(&disk.upper).map_err(|error| refused(&operation, &error))?;
    let made = Made::read(&folder).map_err(|error| refused(&operation, &error))?;
    let diffing = Diffing { upper: upper.as_fd(), userns, out, made: &made, clamp };
    diff::diff(&diffing).map_err(|error| refusal(whose, error))
}

/// What an archive fails with names nothing of the host.
fn refusal((session, index): Whose, error: Error) -> Refusal {
    log::session_warn(session, format_args!("archive of instance {index}: {error}"));
    let kind = match error.kind {
        ErrorKind::Missing => RefusalKind::Unknown,
        ErrorKind::Invalid => RefusalKind::Invalid,
        ErrorKind::Full => RefusalKind::Full,
        ErrorKind::Failed => RefusalKind::Failed,
    };
    Refusal { kind, message: error.message, step: None }
}
