//! A container whose cgroup is a unit of systemd: made around the process once that exists.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;

use nix::unistd::Pid;

use super::cgroup::{FirstGroup, Placed};
use super::error::Error;
use crate::cgroup;
use crate::cgroup::container::{ContainerGroup, Place};
use crate::init::Group;
use crate::spec::Plan;
use crate::systemd::Scope;

/// The group of a new container, to be made by systemd.
#[derive(Debug)]
pub(super) struct UnitGroup<'a> {
    placed: &'a Placed,
    scope: &'a Scope,
    plan: &'a Plan,
    annotations: &'a HashMap<String, String>,
    made: RefCell<Option<FirstGroup>>,
}

impl<'a> UnitGroup<'a> {
    pub(super) fn new(
        placed: &'a Placed,
        scope: &'a Scope,
        plan: &'a Plan,
        annotations: &'a HashMap<String, String>,
    ) -> Self {
        Self { placed, scope, plan, annotations, made: RefCell::new(None) }
    }

    /// The container is there.
    pub(super) fn keep(&self) {
        if let Some(made) = self.made.borrow().as_ref() {
            made.keep();
        }
    }

    fn start(&self, pid: Pid) -> Result<(), Error> {
        let v2 = ContainerGroup::planned(&Place::absolute(&self.scope.cgroup_path()))?.is_v2();
        self.scope
            .start(pid.as_raw(), self.plan.resources(), self.annotations, v2)
            .map_err(|error| Error::said(format!("unable to apply cgroup configuration: {error}")))?;
        let group = self.placed.group_around()?;
        group.limit(self.plan)?;
        group.add(pid)?;
        *self.made.borrow_mut() = Some(group);
        Ok(())
    }
}

impl Group for UnitGroup<'_> {
    fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn admit(&self, pid: Pid) -> Result<(), cgroup::Error> {
        self.start(pid).map_err(|error| match error {
            Error::Cgroup(error) => error,
            error => cgroup::Error::Said(error.to_string()),
        })
    }
}

impl Drop for UnitGroup<'_> {
    fn drop(&mut self) {
        let failed = self.made.borrow().as_ref().is_none_or(|made| !made.is_kept());
        if failed {
            // What led here is the failure to tell; the unit may never have been.
            let _partly = self.scope.stop();
        }
    }
}
