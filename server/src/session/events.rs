//! What the backend tells unasked: ends of programs, instances and sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sandlot_runtime::supervisor::name::{InstanceIndex, SessionNumber, TerminalNumber};
use sandlot_runtime::supervisor::protocol::{Event, ExitStatus};
use tokio::sync::mpsc;

use super::Sessions;
use super::live::{InstanceState, Live};
use crate::auth::access::Owner;
use crate::error::Result;
use crate::id::InstanceName;
use crate::supervisor::News;

impl Sessions {
    /// Acts on news until serve ends. Never waits for the backend itself, so that answers are never behind events.
    pub async fn watch_events(self, mut news: mpsc::Receiver<News>) {
        while let Some(news) = news.recv().await {
            match news {
                News::Connected { .. } => {
                    let sessions = self.clone();
                    self.parts().shutdown.spawn(async move { sessions.reconcile().await });
                }
                News::Event(event) => self.act_on(event),
            }
        }
    }

    fn act_on(&self, event: Event) {
        match event {
            Event::TerminalEnded { session, terminal, status } => {
                self.with_live(session, |live| note_terminal_end(live, terminal, status));
            }
            Event::ExecEnded { session, exec, status } => self.with_live(session, |live| {
                let waiting = live.parts().execs.remove(&exec);
                if waiting.is_none_or(|waiting| waiting.send(status).is_err()) {
                    tracing::debug!(session = %live.id(), "an exec ended that nobody waits for");
                }
            }),
            Event::InstanceEnded { session, instance, out_of_memory, .. } => {
                self.with_live(session, |live| self.note_instance_end(live, instance, out_of_memory));
            }
            Event::OutOfMemory { session, kills, .. } => self.with_live(session, |live| {
                self.parts().metrics.out_of_memory_kills.add(1);
                live.change_notice(|notice| notice.out_of_memory = notice.out_of_memory.max(kills));
            }),
            Event::SessionEnded { session, reason } => {
                self.with_live(session, |live| self.note_gone(live, reason));
            }
        }
    }

    fn with_live(&self, number: SessionNumber, act: impl FnOnce(&Arc<Live>)) {
        match self.live_by_number(number) {
            Some(live) => act(&live),
            // It is being started or adopted: the comparison after that sees what the event told.
            None => self.shared.missed.store(true, Ordering::Relaxed),
        }
    }

    fn note_instance_end(&self, live: &Arc<Live>, instance: InstanceIndex, out_of_memory: bool) {
        let changing = live.instance_state(instance) != Some(InstanceState::Running);
        if changing || live.ending().is_some() {
            return;
        }
        let name = InstanceName::from(instance);
        tracing::warn!(session = %live.id(), instance = %name, out_of_memory, "instance {name} of session {} ended", live.id());
        self.set_instance(live, instance, InstanceState::Stopped);
    }

    /// Notes an instance's state in memory and, when there is time, in its row.
    pub(super) fn set_instance(&self, live: &Arc<Live>, instance: InstanceIndex, state: InstanceState) {
        live.set_instance(instance, state);
        let (sessions, live) = (self.clone(), Arc::clone(live));
        self.parts().shutdown.spawn(async move {
            let runs = state != InstanceState::Stopped;
            let marked = sessions.parts().db.mark_instance(live.id().as_str(), instance.get(), runs).await;
            if let Err(error) = marked {
                tracing::warn!(session = %live.id(), %error, "record the state of an instance");
            }
        });
    }

    /// Ends an instance's processes and starts it again over the same files.
    ///
    /// # Errors
    /// When the session has ended, there is no such instance, or the backend fails.
    pub async fn reboot(&self, owner: &Owner, instance: InstanceName) -> Result<()> {
        let live = self.running(owner)?;
        let index = instance.index();
        live.change_instance(instance, InstanceState::Rebooting)?;
        let (sessions, own) = (self.clone(), Arc::clone(&live));
        let work = async move {
            let rebooted = sessions.parts().backend.reboot(own.number(), index).await;
            let state = if rebooted.is_ok() { InstanceState::Running } else { InstanceState::Stopped };
            sessions.set_instance(&own, index, state);
            rebooted
        };
        self.parts().shutdown.spawn_to_end(work).await.map_err(crate::error::Error::internal)?
    }
}

fn note_terminal_end(live: &Live, number: TerminalNumber, status: ExitStatus) {
    let mut parts = live.parts();
    match parts.terminals.get(&number) {
        Some(terminal) => terminal.program_ended(status),
        // Told before the answer that opened it: at most as many as terminals are being opened.
        None if parts.opening > 0 => {
            parts.early_ends.insert(number, status);
        }
        None => {}
    }
}
