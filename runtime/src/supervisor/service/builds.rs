//! Builds: sessions of one machine that belong to a connection, with numbers of the supervisor's own choosing.

use std::os::fd::OwnedFd;

use super::archives::stream;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::Job;
use crate::supervisor::layers::LayerSet;
use crate::supervisor::limits;
use crate::supervisor::log;
use crate::supervisor::name::{DiffId, SessionNumber};
use crate::supervisor::protocol::{
    BuildMount, BuildNetwork, CacheSharing, EndReason, Event, MAX_BUILDS, Machine, Refusal, RefusalKind,
    Request,
};
use crate::supervisor::session::{Build, CacheUse, Session, Waiter};
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn start_build(&mut self, waiter: Waiter, request: Request, given: Vec<OwnedFd>) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, given));
        }
        let Request::StartBuild { machine, mounts, network } = &request else {
            return Err(refuse(RefusalKind::Invalid, "not a start of a build"));
        };
        let build = self.check_build(waiter, machine, mounts, *network)?;
        let Some(caches) = self.claim(mounts) else { return Ok(Outcome::Again(request, given)) };
        let secrets = given.into_iter().map(|secret| stream(Some(secret))).collect::<Result<Vec<_>, _>>()?;
        let Request::StartBuild { machine, mounts, network } = request else {
            return Err(refuse(RefusalKind::Invalid, "not a start of a build"));
        };
        let mut session = Session::starting(build, u64::MAX, waiter);
        let mounted = mounted_layers(&mounts).map(|layers| self.layer_sets.share(layers.to_vec().into()));
        let mounted: Vec<LayerSet> = mounted.collect();
        let slots = caches.iter().map(|cache| cache.slot).collect();
        session.build = Some(Build { connection: waiter.connection, mounted, caches });
        session.instances = vec![self.new_instance(machine.clone())];
        self.state.sessions.insert(build, session);
        let job = Job::StartBuild { build, machine, mounts, slots, network };
        if let Err(refusal) = self.employ(Task::Start { session: build }, job, &secrets) {
            self.state.sessions.remove(&build);
            return Err(refusal);
        }
        Ok(Outcome::Later)
    }

    fn check_build(
        &self,
        waiter: Waiter,
        machine: &Machine,
        mounts: &[BuildMount],
        network: BuildNetwork,
    ) -> Result<SessionNumber, Refusal> {
        if self.down.is_some() {
            return Err(refuse(RefusalKind::Busy, "start a build: the node is going down"));
        }
        let uid = self.state.connections.get(&waiter.connection).map(|connection| connection.uid);
        if network == BuildNetwork::Host && uid != Some(0) {
            let message = "start a build: only root may let one use the host's network";
            return Err(refuse(RefusalKind::Denied, message));
        }
        limits::check_build(&self.state.node.ceiling, machine, mounts)?;
        let mut layers = machine.layers.iter().chain(mounted_layers(mounts).flatten());
        if let Some(layer) = layers.find(|layer| self.is_being_removed(layer)) {
            return Err(refuse(RefusalKind::Busy, format!("start a build: {layer} is being removed")));
        }
        let mut numbers = self.state.node.builds();
        let free = numbers.find(|number| !self.state.sessions.contains_key(number));
        let full = || refuse(RefusalKind::Full, format!("start a build: {MAX_BUILDS} are at work already"));
        free.ok_or_else(full)
    }

    /// The caches of a build, unless it has to wait for one.
    fn claim(&self, mounts: &[BuildMount]) -> Option<Vec<CacheUse>> {
        let mut claimed: Vec<CacheUse> = Vec::new();
        for mount in mounts {
            let BuildMount::Cache { id, scope, sharing, .. } = mount else { continue };
            let is_same = |used: &&CacheUse| used.scope == *scope && used.id == *id;
            let by_others: Vec<&CacheUse> = self.caches_in_use().filter(is_same).collect();
            let first = by_others.iter().filter(|used| used.slot == 0).copied();
            let slot = match sharing {
                CacheSharing::Shared if first.clone().any(|used| used.is_locked) => return None,
                CacheSharing::Locked if first.count() > 0 => return None,
                CacheSharing::Shared | CacheSharing::Locked => 0,
                CacheSharing::Private => {
                    (0..).find(|slot| by_others.iter().all(|used| used.slot != *slot))?
                }
            };
            let is_locked = *sharing != CacheSharing::Shared;
            claimed.push(CacheUse { scope: scope.clone(), id: id.clone(), slot, is_locked });
        }
        Some(claimed)
    }

    fn caches_in_use(&self) -> impl Iterator<Item = &CacheUse> {
        let builds = self.state.sessions.values().filter_map(|session| session.build.as_ref());
        builds.flat_map(|build| &build.caches)
    }

    /// A build is there for its own client only, and only for what makes sense for one.
    pub(super) fn check_session(&self, waiter: Waiter, request: &Request) -> Result<(), Refusal> {
        let Some(number) = session_of(request) else { return Ok(()) };
        let session = self.state.sessions.get(&number);
        let Some(build) = session.and_then(|session| session.build.as_ref()) else { return Ok(()) };
        if build.connection != waiter.connection {
            return Err(super::requests::unknown_session(number));
        }
        let may = matches!(
            request,
            Request::Exec { .. }
                | Request::KillExec { .. }
                | Request::EndSession { .. }
                | Request::ForgetSession { .. }
                | Request::Stats { .. }
                | Request::PutArchive { .. }
                | Request::GetArchive { .. }
                | Request::StatPath { .. }
                | Request::Diff { .. }
        );
        if may { Ok(()) } else { Err(refuse(RefusalKind::Invalid, format!("{number} is a build"))) }
    }

    /// A client has gone, and its builds go with it.
    pub(super) fn end_builds_of(&mut self, connection: u64) {
        let of_it = |session: &&Session| session.build.as_ref().is_some_and(|b| b.connection == connection);
        let builds: Vec<SessionNumber> =
            self.state.sessions.values().filter(of_it).map(|session| session.number).collect();
        for build in builds {
            log::session(build, "its client has gone");
            self.begin_end(build, EndReason::Closed, None);
        }
    }

    /// The connection that alone hears of an event, if it is one of a build.
    pub(super) fn listener_of(&self, event: &Event) -> Option<u64> {
        let number = match event {
            Event::TerminalEnded { session, .. }
            | Event::ExecEnded { session, .. }
            | Event::InstanceEnded { session, .. }
            | Event::OutOfMemory { session, .. }
            | Event::SessionEnded { session, .. } => session,
        };
        self.state.sessions.get(number)?.build.as_ref().map(|build| build.connection)
    }
}

fn mounted_layers(mounts: &[BuildMount]) -> impl Iterator<Item = &Vec<DiffId>> {
    mounts.iter().filter_map(|mount| match mount {
        BuildMount::Bind { layers, .. } => Some(layers),
        _ => None,
    })
}

/// The session that a request is about.
fn session_of(request: &Request) -> Option<SessionNumber> {
    match request {
        Request::RebootInstance { session, .. }
        | Request::AddInstance { session, .. }
        | Request::RemoveInstance { session, .. }
        | Request::OpenSockets { session, .. }
        | Request::OpenNameServer { session }
        | Request::Permit { session, .. }
        | Request::WatchInstance { session, .. }
        | Request::SetDeadline { session, .. }
        | Request::EndSession { session, .. }
        | Request::ForgetSession { session }
        | Request::OpenTerminal { session, .. }
        | Request::TakeTerminal { session, .. }
        | Request::HangUpTerminal { session, .. }
        | Request::ForgetTerminal { session, .. }
        | Request::Exec { session, .. }
        | Request::KillExec { session, .. }
        | Request::Stats { session }
        | Request::PutArchive { session, .. }
        | Request::GetArchive { session, .. }
        | Request::StatPath { session, .. }
        | Request::Diff { session, .. } => Some(*session),
        // Those that make one, and those of the node.
        Request::StartSession { .. }
        | Request::StartBuild { .. }
        | Request::Hello { .. }
        | Request::KeepListener { .. }
        | Request::TakeListener { .. }
        | Request::Facts
        | Request::Sessions { .. }
        | Request::UnpackLayer { .. }
        | Request::RemoveLayer { .. }
        | Request::HaveLayers { .. }
        | Request::ListLayers { .. }
        | Request::WatchNode
        | Request::TlsFiles
        | Request::Guard
        | Request::Reexec
        | Request::Down => None,
    }
}
