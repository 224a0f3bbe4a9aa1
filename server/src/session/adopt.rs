//! Adoption of what an earlier serve left running.

use std::collections::BTreeMap;
use std::sync::Arc;

use sandlot_runtime::supervisor::name::{Hostname, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::{
    EndReason, SessionState as BackendState, TerminalState, Winsize,
};

use super::Sessions;
use super::expiry::SUPERVISOR_GRACE;
use super::live::{Founding, InstanceState, Live, LiveInstance};
use super::ports::held::{NewPorts, SessionPorts};
use super::ports::{Setting, Visibility};
use crate::clock::UnixMillis;
use crate::db::instance::InstanceRow;
use crate::db::port::PortRow;
use crate::db::session::{SessionRow, SessionState};
use crate::error::{ErrorKind, Result};
use crate::id::{InstanceName, SessionId};

/// Size that is assumed of an adopted terminal until its driver says its own.
const ASSUMED_SIZE: Winsize = Winsize { rows: 0, cols: 0 };

impl Sessions {
    /// Takes a session of an earlier serve into use, or goes on with its end.
    pub(super) async fn adopt(
        &self,
        id: SessionId,
        number: SessionNumber,
        row: &SessionRow,
        state: &BackendState,
    ) -> Result<()> {
        let Some(secrets) = row.secrets() else { return Ok(()) };
        let rows = self.parts().db.terminals(&row.id).await?;
        let instances = adopted(&self.parts().db.instances(&row.id).await?, state);
        let settings = self.parts().db.ports(&row.id).await?.into_iter().map(setting_of_row).collect();
        let ports = NewPorts {
            session: id.clone(),
            number,
            secrets,
            default: self.default_setting(&row.playground),
            settings,
        };
        let live = Live::new(Founding {
            id,
            number,
            playground: row.playground.clone(),
            secrets,
            created_at: row.created_at,
            expires_at: row.expires_at,
            instances,
            last_terminal: rows.last().map_or(0, |row| row.number),
            last_exec: above_every_exec(row.created_at),
            ports: SessionPorts::new(ports),
        });
        self.add_live(&live);
        match end_to_go_on_with(row, state) {
            Some(reason) => self.begin_end(&live, reason),
            None => self.go_on(&live, state).await?,
        }
        Ok(())
    }

    async fn go_on(&self, live: &Arc<Live>, state: &BackendState) -> Result<()> {
        let deadline = live.notice().expires_at.plus(SUPERVISOR_GRACE);
        if state.deadline_unix_ms != deadline.0 {
            self.parts().backend.set_deadline(live.number(), deadline).await?;
        }
        self.settle_instances(live, state).await?;
        self.serve_names(live, None);
        self.adopt_terminals(live, state).await?;
        self.finish_vanished_terminals(live, state).await?;
        tracing::info!(session = %live.id(), "session {} adopted", live.id());
        Ok(())
    }

    /// Takes every terminal that is not known yet, and learns which have ended.
    pub(super) async fn adopt_terminals(&self, live: &Arc<Live>, state: &BackendState) -> Result<()> {
        for terminal in &state.terminals {
            match live.terminal(terminal.terminal) {
                Some(known) => {
                    if let Some(status) = terminal.ended {
                        known.program_ended(status);
                    }
                }
                None if live.parts().opening > 0 => {}
                None => self.try_adopt_terminal(live, terminal).await?,
            }
        }
        Ok(())
    }

    /// A terminal that is gone by now gets its final row; any other failure concerns the whole session.
    async fn try_adopt_terminal(&self, live: &Arc<Live>, state: &TerminalState) -> Result<()> {
        match self.adopt_terminal(live, state).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (session, number) = (live.id().as_str(), state.terminal.0);
                Ok(self.parts().db.finish_terminal(session, number, state.ended, UnixMillis::now()).await?)
            }
            adopted => adopted,
        }
    }

    async fn adopt_terminal(&self, live: &Arc<Live>, state: &TerminalState) -> Result<()> {
        let ends = self.parts().backend.take_terminal(live.number(), state.terminal).await?;
        let adopted = self.seat(live, state.terminal, state.instance.into(), ends, ASSUMED_SIZE)?;
        if let Some(status) = state.ended {
            adopted.program_ended(status);
        }
        self.parts().db.mark_terminal_open(live.id().as_str(), state.terminal.0).await?;
        Ok(())
    }

    /// Rows of terminals that the backend no longer knows get their final state.
    async fn finish_vanished_terminals(&self, live: &Live, state: &BackendState) -> Result<()> {
        for row in self.parts().db.terminals(live.id().as_str()).await? {
            let known = state.terminals.iter().any(|terminal| terminal.terminal.0 == row.number);
            if !known && !row.ended {
                self.parts()
                    .db
                    .finish_terminal(live.id().as_str(), row.number, None, UnixMillis::now())
                    .await?;
            }
        }
        Ok(())
    }
}

/// A session whose end had begun, or whose client never learned of it, is ended.
fn end_to_go_on_with(row: &SessionRow, state: &BackendState) -> Option<EndReason> {
    match row.state {
        SessionState::Starting => Some(EndReason::StartFailed),
        SessionState::Closing | SessionState::Ended => Some(row.end_reason.unwrap_or(EndReason::Operator)),
        SessionState::Running => state.ended,
    }
}

/// Execs have no rows. A session makes far fewer than one in a millisecond, so its age in them is above every number.
fn above_every_exec(created_at: UnixMillis) -> u32 {
    u32::try_from(UnixMillis::now().since(created_at).as_millis()).unwrap_or(u32::MAX / 2)
}

/// The instances that both have.
fn adopted(rows: &[InstanceRow], state: &BackendState) -> BTreeMap<InstanceIndex, LiveInstance> {
    let instance = |row: &InstanceRow| {
        let index = InstanceIndex::try_from(row.place).ok()?;
        let held = state.instances.iter().find(|held| held.instance == index)?;
        let name = Hostname::try_from(row.hostname.clone());
        let hostname = name.or_else(|_| Hostname::try_from(InstanceName::from(index).hostname())).ok()?;
        let state = if held.ended.is_some() { InstanceState::Stopped } else { InstanceState::Running };
        Some((index, LiveInstance { state, hostname }))
    };
    rows.iter().filter_map(instance).collect()
}

/// A visibility that this version does not know shuts the port to everybody.
fn setting_of_row(row: PortRow) -> (u8, u16, Setting) {
    let visibility = Visibility::parse(&row.visibility).unwrap_or(Visibility::Closed);
    (row.place, row.port, Setting { visibility, rewrites_host: row.rewrites_host })
}
