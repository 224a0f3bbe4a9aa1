//! Requests: who may ask what, in which order, and with how many descriptors; then one function each.

use std::os::fd::OwnedFd;

use nix::unistd::getpid;

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::name::SessionNumber;
use crate::supervisor::protocol::{
    BuildMount, Facts, InstanceStats, OLDEST_VERSION, Refusal, RefusalKind, Reply, Request,
    SESSIONS_PER_PAGE, VERSION,
};
use crate::supervisor::session::{Instance, Session, Stage, Waiter};

impl Supervisor {
    /// Handles one request; every call is answered once, now or later.
    pub(super) fn handle(&mut self, waiter: Waiter, request: Request, descriptors: Vec<OwnedFd>) {
        let handled = self
            .check_peer(waiter, &request, &descriptors)
            .and_then(|()| self.dispatch(waiter, request, descriptors));
        match handled {
            Ok(Outcome::Now(reply, descriptors)) => self.answer(waiter, Ok((reply, descriptors))),
            Ok(Outcome::Later) => {}
            Ok(Outcome::Again(request, descriptors)) => self.put_off(waiter, request, descriptors),
            Err(refusal) => self.answer(waiter, Err(refusal)),
        }
    }

    fn check_peer(&self, waiter: Waiter, request: &Request, descriptors: &[OwnedFd]) -> Result<(), Refusal> {
        let connection = self.state.connections.get(&waiter.connection);
        let connection = connection.ok_or_else(|| refuse(RefusalKind::Denied, "the client has gone"))?;
        let is_hello = matches!(request, Request::Hello { .. });
        if is_hello == connection.greeted {
            let message = if is_hello { "hello was said already" } else { "hello must come first" };
            return Err(refuse(RefusalKind::Invalid, message));
        }
        if is_hello && self.state.node.temporary && self.down.is_some() {
            return Err(refuse(RefusalKind::Busy, "this supervisor is ending with its last client"));
        }
        self.check_session(waiter, request)?;
        let for_root = matches!(request, Request::Guard | Request::Reexec | Request::Down);
        if for_root && connection.uid != 0 {
            return Err(refuse(RefusalKind::Denied, "only root may ask that"));
        }
        let wanted = descriptors_of(request);
        if descriptors.len() != wanted {
            let message = format!("the request takes {wanted} descriptors, not {}", descriptors.len());
            return Err(refuse(RefusalKind::Invalid, message));
        }
        Ok(())
    }

    fn dispatch(&mut self, waiter: Waiter, request: Request, mut descriptors: Vec<OwnedFd>) -> Handled {
        if matches!(request, Request::StartBuild { .. }) {
            return self.start_build(waiter, request, descriptors);
        }
        let given = descriptors.pop();
        match request {
            Request::Hello { version } => self.hello(waiter, version),
            Request::KeepListener { name } => self.keep_listener(name, given),
            Request::TakeListener { name } => self.take_listener(&name),
            Request::Facts => Ok(Outcome::Now(Reply::Facts(self.facts()), Vec::new())),
            Request::StartSession { .. } => self.start_session(waiter, request),
            Request::StartBuild { .. } => self.start_build(waiter, request, Vec::new()),
            Request::RebootInstance { session, instance } => self.reboot_instance(waiter, session, instance),
            Request::AddInstance { .. } => self.add_instance(waiter, request),
            Request::RemoveInstance { session, instance } => self.remove_instance(waiter, session, instance),
            Request::SetDeadline { session, deadline_unix_ms } => {
                self.set_deadline(session, deadline_unix_ms)
            }
            Request::EndSession { session, reason } => self.end_session(waiter, session, reason),
            Request::ForgetSession { session } => self.forget_session(session),
            Request::OpenTerminal { .. } => self.open_terminal(waiter, request),
            Request::TakeTerminal { session, terminal } => self.take_terminal(session, terminal),
            Request::HangUpTerminal { session, terminal } => self.hang_up_terminal(session, terminal),
            Request::ForgetTerminal { session, terminal } => self.forget_terminal(session, terminal),
            Request::Exec { .. } => self.exec(waiter, request),
            Request::KillExec { session, exec } => self.kill_exec(waiter, session, exec),
            Request::Stats { session } => self.stats(session),
            Request::Sessions { after } => Ok(Outcome::Now(self.sessions_page(after), Vec::new())),
            Request::UnpackLayer { layer } => self.unpack_layer(waiter, layer, given),
            Request::RemoveLayer { layer } => self.remove_layer(waiter, layer),
            Request::HaveLayers { layers } => self.have_layers(waiter, layers),
            Request::ListLayers { after, min_age_seconds } => {
                self.list_layers(waiter, after, min_age_seconds)
            }
            Request::PutArchive { session, instance, path, options } => {
                self.put_archive(waiter, (session, instance), path, options, given)
            }
            Request::GetArchive { session, instance, path } => {
                self.get_archive(waiter, (session, instance), path, given)
            }
            Request::StatPath { session, instance, path } => {
                self.stat_path(waiter, (session, instance), path)
            }
            Request::Diff { session, instance, clamp_unix } => {
                self.diff(waiter, (session, instance), clamp_unix, given)
            }
            Request::OpenSockets { .. } => self.open_sockets(waiter, request),
            Request::OpenNameServer { session } => self.open_name_server(waiter, session),
            Request::Permit { .. } => self.permit(waiter, request),
            Request::WatchInstance { session, instance } => self.watch_listeners(waiter, session, instance),
            Request::WatchNode => self.watch_node(),
            Request::TlsFiles => self.open_tls_files(waiter),
            Request::Guard => self.guard(waiter),
            Request::Reexec => self.reexec(waiter),
            Request::Down => {
                self.begin_down(Some(waiter));
                Ok(Outcome::Later)
            }
        }
    }

    fn hello(&mut self, waiter: Waiter, version: u16) -> Handled {
        if version < OLDEST_VERSION {
            let message = format!("version {version}: the oldest that is spoken here is {OLDEST_VERSION}");
            return Err(refuse(RefusalKind::Invalid, message));
        }
        if let Some(connection) = self.state.connections.get_mut(&waiter.connection) {
            connection.greeted = true;
        }
        let (epoch, pid) = (self.state.epoch, getpid().as_raw().unsigned_abs());
        Ok(Outcome::Now(Reply::Welcome { version: version.min(VERSION), epoch, pid }, Vec::new()))
    }

    fn facts(&self) -> Facts {
        let held = self.held_sessions();
        Facts {
            max_sessions: self.state.node.max_sessions,
            sessions: u32::try_from(held).unwrap_or(u32::MAX),
            ceiling: self.state.node.ceiling,
            cgroup: self.ground.tree.version().as_str().to_owned(),
            disk: self.ground.driver.name().to_owned(),
            degraded: self.ground.degraded(),
        }
    }

    /// Sessions of which something is there or being made.
    pub(super) fn held_sessions(&self) -> usize {
        self.held().filter(|session| session.build.is_none()).count()
    }

    /// As [`Supervisor::held_sessions`], with builds.
    pub(super) fn held(&self) -> impl Iterator<Item = &Session> {
        self.state.sessions.values().filter(|session| !matches!(session.stage, Stage::Gone(_)))
    }

    fn stats(&mut self, number: SessionNumber) -> Handled {
        let session = self.session(number)?;
        let usage = |of: &Instance| {
            let index = of.machine.index;
            let instance = self.ground.tree.open_instance(number, index).ok()??;
            let usage = instance.usage().ok()?;
            Some(InstanceStats {
                instance: index,
                memory_bytes: usage.memory_bytes,
                cpu_usec: usage.cpu_usec,
                pids: usage.pids,
                oom_kills: of.oom_kills,
            })
        };
        let instances = session.instances.iter().filter_map(usage).collect();
        Ok(Outcome::Now(Reply::Stats { instances }, Vec::new()))
    }

    fn sessions_page(&self, after: Option<SessionNumber>) -> Reply {
        let sessions = self.state.sessions.values().filter(|session| session.build.is_none());
        let mut rest = sessions.filter(|session| Some(session.number) > after);
        let sessions = rest.by_ref().take(SESSIONS_PER_PAGE).map(Session::state).collect();
        Reply::Sessions { sessions, more: rest.next().is_some() }
    }

    /// A session that is there, in whatever stage.
    pub(super) fn session(&self, number: SessionNumber) -> Result<&Session, Refusal> {
        self.state.sessions.get(&number).ok_or_else(|| unknown_session(number))
    }

    /// A session whose instances may be used.
    pub(super) fn running(&mut self, number: SessionNumber) -> Result<&mut Session, Refusal> {
        let session = self.state.sessions.get_mut(&number).ok_or_else(|| unknown_session(number))?;
        match session.stage {
            Stage::Running => Ok(session),
            Stage::Starting { .. } => {
                Err(refuse(RefusalKind::Busy, format!("session {number}: it is starting")))
            }
            Stage::Ending(_) => Err(refuse(RefusalKind::Busy, format!("session {number}: it is ending"))),
            Stage::Gone(_) => Err(refuse(RefusalKind::Unknown, format!("session {number}: it has ended"))),
        }
    }
}

/// How many descriptors come with a request.
fn descriptors_of(request: &Request) -> usize {
    match request {
        Request::KeepListener { .. }
        | Request::UnpackLayer { .. }
        | Request::PutArchive { .. }
        | Request::GetArchive { .. }
        | Request::Diff { .. } => 1,
        Request::StartBuild { mounts, .. } => {
            mounts.iter().filter(|mount| matches!(mount, BuildMount::Secret { .. })).count()
        }
        _ => 0,
    }
}

/// There is no such session.
pub(super) fn unknown_session(number: SessionNumber) -> Refusal {
    refuse(RefusalKind::Unknown, format!("session {number}: there is none"))
}
