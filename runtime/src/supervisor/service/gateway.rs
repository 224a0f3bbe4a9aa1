//! The way out: the node's gateway, made for the first session that needs it, and what a session may ask of it.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::state::Gateway;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::clock::Moment;
use crate::supervisor::host;
use crate::supervisor::job::{Job, WayOut};
use crate::supervisor::limits;
use crate::supervisor::log;
use crate::supervisor::name::SessionNumber;
use crate::supervisor::node::{NodeFile, Way};
use crate::supervisor::protocol::{Egress, Refusal, RefusalKind, Request};
use crate::supervisor::session::Waiter;
use crate::supervisor::worker::Task;

/// After a failure it is not tried again for so long.
const PAUSE: Duration = Duration::from_secs(5);

/// How far the gateway is.
#[derive(Debug, Default)]
pub(super) struct Making {
    is_under_way: bool,
    failed: Option<(Refusal, Moment)>,
}

impl Supervisor {
    /// Network and gateway for a session that goes out; none while the gateway is being made.
    pub(super) fn find_way(
        &mut self,
        number: SessionNumber,
        egress: &Egress,
    ) -> Result<Option<(WayOut, OwnedFd)>, Refusal> {
        let way = self.way(number)?;
        limits::check_egress(&way, egress)?;
        if let Some(gateway) = &self.state.gateway {
            let namespace = gateway.namespace.duplicate();
            let failed = |error| refuse(RefusalKind::Failed, format!("find the gateway: {error}"));
            let (network, rules) = (gateway.network, egress.clone());
            let way = WayOut { network, rules, configures_host: way.configure_host };
            return Ok(Some((way, namespace.map_err(failed)?)));
        }
        if let Some((refusal, at)) = &self.gateway.failed
            && Moment::now() < at.after(PAUSE)
        {
            return Err(refusal.clone());
        }
        if !self.gateway.is_under_way {
            let network = way.network;
            self.employ(Task::Gateway { network }, Job::Gateway { network }, &[])?;
            self.gateway.is_under_way = true;
        }
        Ok(None)
    }

    /// What root allows. It may have been allowed after this supervisor had started.
    fn way(&self, number: SessionNumber) -> Result<Way, Refusal> {
        let node = NodeFile::load(&self.state.node_file).map_err(|error| {
            log::warn(error);
            refuse(RefusalKind::Failed, "find the way out: the node file cannot be read")
        })?;
        let none =
            || refuse(RefusalKind::Denied, format!("start session {number}: this node has no way out"));
        node.way.ok_or_else(none)
    }

    /// The worker that makes the gateway is through.
    pub(super) fn on_gateway_made(
        &mut self,
        network: Ipv4Addr,
        result: Result<(), Refusal>,
        descriptors: Vec<OwnedFd>,
    ) {
        self.gateway.is_under_way = false;
        let made: Result<[OwnedFd; 2], _> = descriptors.try_into();
        match (result, made) {
            (Ok(()), Ok([namespace, table])) => {
                log::info("the gateway is there: sessions may go out");
                self.gateway.failed = None;
                let (namespace, table) = (namespace.into(), table.into());
                self.state.gateway = Some(Gateway { network, namespace, table });
            }
            (Ok(()), Err(_)) => log::warn("make the gateway: its worker gave too little"),
            (Err(refusal), _) => {
                log::warn(format_args!("make the gateway: {refusal}"));
                self.gateway.failed = Some((refusal, Moment::now()));
            }
        }
    }

    /// Takes back what was changed of the host.
    pub(super) fn restore_host(&self) {
        host::restore(&self.ground.node);
    }

    pub(super) fn permit(&mut self, waiter: Waiter, request: Request) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let Request::Permit { session: number, group, addresses } = request else {
            return Err(refuse(RefusalKind::Invalid, "not a permission"));
        };
        let session = self.running(number)?;
        let egress = session.network.as_ref().and_then(|network| network.egress.as_ref());
        let addresses = limits::check_permit(egress, group, &addresses)?;
        let (_, switch) = session.namespaces()?;
        let none = || refuse(RefusalKind::Invalid, format!("session {number}: it has no network"));
        let switch = switch.ok_or_else(none)?;
        self.employ(Task::Plain { waiter }, Job::Permit { group, addresses }, &[switch])?;
        Ok(Outcome::Later)
    }
}
