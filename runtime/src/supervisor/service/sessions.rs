//! Requests about a session as a whole.

use super::requests::unknown_session;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::layers::LayerSet;
use crate::supervisor::name::SessionNumber;
use crate::supervisor::protocol::{EndReason, RefusalKind};
use crate::supervisor::session::{Stage, Waiter};

impl Supervisor {
    pub(super) fn set_deadline(&mut self, number: SessionNumber, deadline_unix_ms: u64) -> Handled {
        self.running(number)?.deadline_unix_ms = deadline_unix_ms;
        Outcome::DONE
    }

    pub(super) fn end_session(
        &mut self,
        waiter: Waiter,
        number: SessionNumber,
        reason: EndReason,
    ) -> Handled {
        let session = self.state.sessions.get_mut(&number).ok_or_else(|| unknown_session(number))?;
        if matches!(session.stage, Stage::Gone(_)) {
            return Outcome::DONE;
        }
        self.begin_end(number, reason, Some(waiter));
        Ok(Outcome::Later)
    }

    pub(super) fn forget_session(&mut self, number: SessionNumber) -> Handled {
        match self.state.sessions.get(&number).map(|session| &session.stage) {
            None => Outcome::DONE,
            Some(Stage::Gone(_)) => {
                self.state.sessions.remove(&number);
                Outcome::DONE
            }
            Some(_) => {
                Err(refuse(RefusalKind::Busy, format!("forget session {number}: something of it is left")))
            }
        }
    }

    /// Makes equal lists of layers one again, after a re-exec.
    pub(super) fn share_layers(&mut self) {
        for session in self.state.sessions.values_mut() {
            let own = session.instances.iter_mut().map(|instance| &mut instance.layers);
            let mounted = session.build.iter_mut().flat_map(|build| &mut build.mounted);
            for layers in own.chain(mounted) {
                let one = std::mem::replace(layers, LayerSet::from(Vec::new()));
                *layers = self.layer_sets.share(one);
            }
        }
    }
}
