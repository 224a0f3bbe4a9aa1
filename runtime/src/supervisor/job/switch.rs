//! A session's switch: made here, or given.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::{Plug, WayOut, given_at, refused, refused_step};
use crate::failure::StepError;
use crate::net::port::Port;
use crate::net::uplink::{self, Uplink};
use crate::net::{gateway, switch};
use crate::supervisor::ground::Ground;
use crate::supervisor::host;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::Refusal;
use crate::supervisor::worker::{Report, Reporter};

const STEP: &str = "make the network";

/// Where instances are plugged in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Switch<'a> {
    /// Nowhere.
    None,
    /// It is made first.
    New,
    /// Its network namespace.
    Ready(BorrowedFd<'a>),
}

impl<'a> Switch<'a> {
    /// The one among the descriptors of a job.
    pub(super) fn find(plug: Plug, given: &[BorrowedFd<'a>], place: usize) -> Result<Self, Refusal> {
        Ok(match plug {
            Plug::Nowhere => Self::None,
            Plug::New => Self::New,
            Plug::Ready => Self::Ready(given_at(given, place)?),
        })
    }

    /// Its network namespace, made now where it is new. The worker is in it then.
    pub(super) fn open(self, ground: &Ground, reporter: &Reporter) -> Result<Option<OwnedFd>, Refusal> {
        match self {
            Self::None => Ok(None),
            Self::New => make(ground, &Report::Switch, reporter).map(Some),
            Self::Ready(switch) => {
                switch.try_clone_to_owned().map(Some).map_err(|error| refused("take the switch", &error))
            }
        }
    }
}

/// The way out of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) asked: &'a WayOut,
    /// The gateway's network namespace.
    pub(super) gateway: BorrowedFd<'a>,
}

impl Way<'_> {
    /// Lets the session's packets pass the host, in whose network namespace the worker still is. Without it the session
    /// starts nevertheless: what is missing is the host's affair, and the log says it.
    pub(super) fn clear(&self, ground: &Ground) {
        if self.asked.configures_host {
            host::configure(&ground.node);
        }
    }

    /// Connects the switch.
    pub(super) fn open(
        &self,
        ground: &Ground,
        session: SessionNumber,
        switch: BorrowedFd<'_>,
    ) -> Result<(), Refusal> {
        let (gateway, network) = (self.gateway, gateway::Network(self.asked.network));
        let uplink = Uplink { switch, gateway, session, network, mtu: ground.mtu };
        uplink
            .connect(&self.asked.rules)
            .map_err(|failure| refused_step(STEP, &StepError::new(STEP, failure)))
    }
}

/// Makes the node's gateway.
pub(super) fn make_gateway(ground: &Ground, network: Ipv4Addr, reporter: &Reporter) -> Result<(), Refusal> {
    const STEP: &str = "make the gateway";
    let made = gateway::create(&ground.node.link_prefix, gateway::Network(network), ground.mtu);
    let made = made.map_err(|failure| refused_step(STEP, &StepError::new(STEP, failure)))?;
    let descriptors = [made.namespace.as_fd(), made.table.as_fd()];
    reporter.send(&Report::Opened, &descriptors).map_err(|error| refused(STEP, &error))
}

/// Lets addresses be reached.
pub(super) fn permit(
    switch: BorrowedFd<'_>,
    group: u8,
    addresses: &[(IpAddr, Duration)],
) -> Result<(), Refusal> {
    const STEP: &str = "permit addresses";
    let permitted = uplink::permit(switch, group, addresses);
    permitted.map_err(|failure| refused_step(STEP, &StepError::new(STEP, failure)))
}

/// Makes one that nobody has asked for yet.
pub(super) fn make_ahead(ground: &Ground, reporter: &Reporter) -> Result<(), Refusal> {
    make(ground, &Report::Opened, reporter).map(drop)
}

fn make(ground: &Ground, report: &Report, reporter: &Reporter) -> Result<OwnedFd, Refusal> {
    switch::create(ground.mtu).map_err(|failure| refused_step(STEP, &StepError::new(STEP, failure)))?;
    let namespace = File::open("/proc/self/ns/net").map_err(|error| refused(STEP, &error))?;
    reporter.send(report, &[namespace.as_fd()]).map_err(|error| refused(STEP, &error))?;
    Ok(namespace.into())
}

/// An instance's port on a switch.
pub(super) fn port<'a>(ground: &Ground, switch: BorrowedFd<'a>, index: InstanceIndex) -> Port<'a> {
    Port { switch, index, mtu: ground.mtu }
}

/// Takes away what an instance that has ended left on the switch.
pub(super) fn unplug(ground: &Ground, switch: BorrowedFd<'_>, index: InstanceIndex) -> Result<(), Refusal> {
    let unplugged = port(ground, switch, index).unplug();
    unplugged.map_err(|failure| refused_step(STEP, &StepError::new("unplug the instance", failure)))
}
