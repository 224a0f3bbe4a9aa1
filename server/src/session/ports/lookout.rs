//! The watcher of ports: one task for all instances of the node. While nothing runs it reads one file a few times a
//! second; where something does, only the instances that used cpu time are asked for their ports.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::{InstancePorts, Sessions};
use crate::config::limits;
use crate::instance::cpu_time;
use crate::instance::gate::look::Look;

/// A port is to be noticed within 300 ms: two looks, and time for what they find.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What nobody uses is dropped, at the latest so long after its time.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The backend is asked again after a failure.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Instances that the backend is asked for at once.
const ASK_AT_ONCE: usize = 8;
/// One read of the kernel's answer; it gives at most so much.
const BUFFER_BYTES: usize = 32 * 1024;

struct Lookout {
    sessions: Sessions,
    /// Cpu time of all sessions, where the backend tells it.
    node: Option<OwnedFd>,
    /// What it was at the last look.
    seen: Option<u64>,
    /// The sessions that there were at the last look.
    generation: Option<u64>,
    asked_at: Option<Instant>,
    swept_at: Instant,
    buffer: Vec<u8>,
}

impl Sessions {
    /// Watches the ports of every instance until serve ends.
    pub async fn watch_ports(self) {
        let mut lookout = Lookout {
            sessions: self,
            node: None,
            seen: None,
            generation: None,
            asked_at: None,
            swept_at: Instant::now(),
            buffer: vec![0; BUFFER_BYTES],
        };
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            lookout.turn(Instant::now()).await;
        }
    }
}

impl Lookout {
    async fn turn(&mut self, now: Instant) {
        if now.duration_since(self.swept_at) >= SWEEP_EVERY {
            self.swept_at = now;
            self.all().iter().for_each(|ports| ports.gate().sweep(now));
        }
        if self.has_moved() {
            self.look(now).await;
        }
        if self.node.is_none() && self.may_ask(now) {
            self.node = self.sessions.parts().backend.watch_node().await.ok().flatten();
        }
    }

    fn all(&self) -> Vec<Arc<InstancePorts>> {
        self.sessions.shared.ports.all()
    }

    /// Whether any session used cpu time, came or went, or that cannot be told.
    fn has_moved(&mut self) -> bool {
        let generation = self.sessions.shared.ports.generation();
        let changed = self.generation.replace(generation) != Some(generation);
        let Some(node) = &self.node else { return true };
        match cpu_time::read(node) {
            Ok(used) => self.seen.replace(used) != Some(used) || changed,
            Err(_) => {
                self.node = None;
                true
            }
        }
    }

    async fn look(&mut self, now: Instant) {
        let mut unwatched = Vec::new();
        for ports in self.all() {
            match ports.gate().look(&mut self.buffer) {
                Look::Found(mut listening) => {
                    listening.truncate(limits::PORTS_SHOWN);
                    ports.set_listening(listening);
                    tokio::task::yield_now().await;
                }
                Look::Shut => ports.set_listening(Vec::new()),
                Look::Unwatched => unwatched.push(ports),
                Look::Quiet => {}
                Look::Broken(errno) => {
                    let (session, instance) = (ports.session(), ports.instance());
                    tracing::debug!(%session, %instance, %errno, "look at the ports of {instance}");
                }
            }
        }
        if !unwatched.is_empty() && self.may_ask(now) {
            self.ask(&unwatched).await;
        }
    }

    /// Asks the backend for what is looked at; what it cannot give now is asked for at a later look.
    async fn ask(&mut self, unwatched: &[Arc<InstancePorts>]) {
        for some in unwatched.chunks(ASK_AT_ONCE) {
            let asked = join_all(some.iter().map(|ports| self.sessions.watch_one(ports))).await;
            if asked.contains(&false) {
                self.asked_at = Some(Instant::now());
                // Nothing moves while the node rests, and there is more to ask.
                self.generation = None;
                return;
            }
        }
        self.generation = None;
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|at| now.duration_since(at) >= ASK_AGAIN)
    }
}

impl Sessions {
    /// Says whether the backend answered.
    async fn watch_one(&self, ports: &InstancePorts) -> bool {
        let gate = ports.gate();
        let epoch = gate.epoch();
        match gate.ask_for_watch().await {
            Ok(Some(watch)) => {
                gate.set_watch(epoch, watch);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }
}
