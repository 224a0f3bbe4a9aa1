//! Files of instances in and out. Whoever is slow at the other end of a stream holds a worker for as long: these are
//! counted apart from all others, and each session has a few.

use std::os::fd::OwnedFd;

use nix::sys::stat::{SFlag, fstat};

use super::starting::unknown_instance;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::Job;
use crate::supervisor::kept::Kept;
use crate::supervisor::limits;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{ArchiveOptions, Refusal, RefusalKind};
use crate::supervisor::session::Waiter;
use crate::supervisor::worker::Task;

/// Workers of one session at once, at most.
const MAX_OF_SESSION: usize = 4;
/// Workers of the node at once, at most.
const MAX_OF_NODE: usize = 48;

/// Which instance.
type Whose = (SessionNumber, InstanceIndex);

impl Supervisor {
    pub(super) fn put_archive(
        &mut self,
        waiter: Waiter,
        whose: Whose,
        path: String,
        options: ArchiveOptions,
        given: Option<OwnedFd>,
    ) -> Handled {
        let (given, (session, instance)) = (stream(given)?, whose);
        limits::check_path(&path)?;
        let init = self.init_of(whose)?;
        self.archive(waiter, session, Job::PutArchive { session, instance, path, options }, &[init, given])
    }

    pub(super) fn get_archive(
        &mut self,
        waiter: Waiter,
        whose: Whose,
        path: String,
        given: Option<OwnedFd>,
    ) -> Handled {
        let (given, (session, instance)) = (stream(given)?, whose);
        limits::check_path(&path)?;
        let init = self.init_of(whose)?;
        self.archive(waiter, session, Job::GetArchive { session, instance, path }, &[init, given])
    }

    pub(super) fn stat_path(&mut self, waiter: Waiter, whose: Whose, path: String) -> Handled {
        let (session, instance) = whose;
        limits::check_path(&path)?;
        let init = self.init_of(whose)?;
        self.archive(waiter, session, Job::StatPath { session, instance, path }, &[init])
    }

    pub(super) fn diff(
        &mut self,
        waiter: Waiter,
        whose: Whose,
        clamp: Option<i64>,
        given: Option<OwnedFd>,
    ) -> Handled {
        let (given, (session, instance)) = (stream(given)?, whose);
        let owner = self.running(session)?;
        let found = owner.instance(instance).ok_or_else(|| unknown_instance(session, instance))?;
        if found.changing {
            return Err(refuse(
                RefusalKind::Busy,
                format!("instance {instance} of session {session}: it is starting"),
            ));
        }
        let userns = owner.userns.as_ref().map(Kept::duplicate).and_then(Result::ok);
        let userns = userns.ok_or_else(|| refuse(RefusalKind::Failed, "compare: no user namespace"))?;
        self.archive(waiter, session, Job::Diff { session, instance, clamp }, &[userns, given])
    }

    fn archive(&mut self, waiter: Waiter, session: SessionNumber, job: Job, given: &[OwnedFd]) -> Handled {
        let sessions: Vec<SessionNumber> =
            self.workers.values().filter_map(|worker| worker.task.archived()).collect();
        if sessions.iter().filter(|other| **other == session).count() >= MAX_OF_SESSION {
            return Err(refuse(
                RefusalKind::Full,
                format!("session {session}: {MAX_OF_SESSION} archives are on their way already"),
            ));
        }
        if sessions.len() >= MAX_OF_NODE {
            return Err(refuse(
                RefusalKind::Full,
                format!("the node has {MAX_OF_NODE} archives on their way already"),
            ));
        }
        self.employ(Task::Archive { session, waiter }, job, given)?;
        Ok(Outcome::Later)
    }
}

/// The other end of an archive. A device or socket could do more than to be slow.
pub(super) fn stream(given: Option<OwnedFd>) -> Result<OwnedFd, Refusal> {
    let given = given.ok_or_else(|| refuse(RefusalKind::Invalid, "archive: no descriptor"))?;
    let kind = fstat(&given).map(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT);
    if matches!(kind, Ok(SFlag::S_IFREG | SFlag::S_IFIFO)) {
        return Ok(given);
    }
    Err(refuse(RefusalKind::Invalid, "archive: the descriptor is no file and no pipe"))
}
