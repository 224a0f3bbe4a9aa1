//! Terminals of a session: open, list, close, and a viewer's way in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandlot_runtime::supervisor::name::TerminalNumber;
use sandlot_runtime::supervisor::protocol::{Command, ExitStatus, Winsize};
use tokio::sync::watch;

use super::Sessions;
use super::live::{InstanceState, Live, Notice};
use crate::auth::access::Owner;
use crate::auth::ticket::Admission;
use crate::auth::token::Token;
use crate::clock::UnixMillis;
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{InstanceName, TerminalId};
use crate::instance::{NewTerminal, TerminalEnds};
use crate::terminal::{Exit, Terminal, pump};

/// A terminal as its owner sees it.
#[derive(Debug, Clone, Copy)]
pub struct TerminalView {
    /// Its id.
    pub id: TerminalId,
    /// Where it runs.
    pub instance: InstanceName,
    /// Set once it has ended.
    pub exit: Option<Exit>,
    /// Its size.
    pub size: Winsize,
}

/// What a viewer's connection needs.
#[derive(Debug)]
pub struct Seat {
    /// The terminal.
    pub terminal: Arc<Terminal>,
    /// What the session tells.
    pub notice: watch::Receiver<Notice>,
}

impl Sessions {
    /// Opens a terminal in an instance of the owner's session. It is carried to its end even if the caller no longer waits.
    ///
    /// # Errors
    /// When the session has ended or is full, there is no such instance, or the backend fails.
    pub async fn open_terminal(
        &self,
        owner: &Owner,
        instance: InstanceName,
        command: Command,
        size: Winsize,
    ) -> Result<TerminalView> {
        let begun = Instant::now();
        let live = self.running(owner)?;
        check_instance(&live, instance)?;
        let sessions = self.clone();
        let work = async move { sessions.open_in(&live, instance, command, size).await };
        let terminal = self.parts().shutdown.spawn_to_end(work).await.map_err(Error::internal)??;
        self.parts().metrics.terminal_time.observe(begun.elapsed());
        Ok(TerminalView::of(&terminal))
    }

    async fn open_in(
        &self,
        live: &Arc<Live>,
        instance: InstanceName,
        command: Command,
        size: Winsize,
    ) -> Result<Arc<Terminal>> {
        let _place = Place::take(live)?;
        let number = live.next_terminal();
        let (session, place) = (live.id().as_str(), instance.index().get());
        if !self.parts().db.insert_terminal(session, number.0, place, UnixMillis::now()).await? {
            return Err(Error::new(ErrorKind::Ended, "This session has ended."));
        }
        let new = NewTerminal { instance: instance.index(), terminal: number, command, size };
        let opened = self.parts().backend.open_terminal(live.number(), new).await;
        let terminal = opened.and_then(|ends| self.seat(live, number, instance, ends, size));
        match terminal {
            Ok(terminal) => {
                self.parts().db.mark_terminal_open(session, number.0).await?;
                Ok(terminal)
            }
            Err(error) => {
                self.parts().db.finish_terminal(session, number.0, None, UnixMillis::now()).await?;
                Err(error)
            }
        }
    }

    /// Takes a terminal's descriptors into use: from here on its pump runs and viewers may come.
    pub(super) fn seat(
        &self,
        live: &Arc<Live>,
        number: TerminalNumber,
        instance: InstanceName,
        ends: TerminalEnds,
        size: Winsize,
    ) -> Result<Arc<Terminal>> {
        let metrics = Arc::clone(&self.parts().metrics);
        let terminal = Terminal::new(number.into(), instance, ends.ptmx, ends.ring, size, metrics);
        let terminal = terminal.map_err(Error::internal)?;
        let mut parts = live.parts();
        if let Some(status) = parts.early_ends.remove(&number) {
            terminal.program_ended(status);
        }
        parts.terminals.insert(number, Arc::clone(&terminal));
        drop(parts);
        self.parts().metrics.terminals.add(1);
        let (sessions, live, pumped) = (self.clone(), Arc::clone(live), Arc::clone(&terminal));
        self.parts().shutdown.spawn(async move {
            let exit = pump::run(pumped).await;
            sessions.terminal_ended(&live, number, exit.status).await;
        });
        Ok(terminal)
    }

    /// The last byte is in the ring: the row gets its final state, and what is left on the terminal is hung up.
    async fn terminal_ended(&self, live: &Arc<Live>, number: TerminalNumber, status: ExitStatus) {
        self.parts().metrics.terminals.sub(1);
        let id = TerminalId::from(number);
        tracing::info!(session = %live.id(), terminal = %id, code = status.code, signal = status.signal,
                       "terminal {id} of session {} ended", live.id());
        let (session, now) = (live.id().as_str(), UnixMillis::now());
        if let Err(error) = self.parts().db.finish_terminal(session, number.0, Some(status), now).await {
            tracing::error!(session, terminal = %id, %error, "record the end of terminal {id}");
        }
        if live.ending().is_some() {
            return;
        }
        if let Err(error) = self.parts().backend.hang_up(live.number(), number).await {
            tracing::debug!(session, terminal = %id, error = error.chain(), "hang up an ended terminal");
        }
        self.forget_old_terminals(live).await;
    }

    /// Forgets ended terminals: what is too many at once, and what is old when its time is over.
    async fn forget_old_terminals(&self, live: &Arc<Live>) {
        self.forget_ended(live, limits::ENDED_TERMINALS_MOST, Duration::ZERO).await;
        let (sessions, live) = (self.clone(), Arc::clone(live));
        self.parts().shutdown.spawn(async move {
            tokio::time::sleep(limits::ENDED_TERMINAL_TIME).await;
            let age = limits::ENDED_TERMINAL_TIME;
            sessions.forget_ended(&live, limits::ENDED_TERMINALS_KEPT, age).await;
        });
    }

    /// Forgets terminals beyond the newest `kept` ended ones that ended at least `age` ago.
    async fn forget_ended(&self, live: &Live, kept: usize, age: Duration) {
        for number in take_ended(live, kept, age) {
            if let Err(error) = self.parts().backend.forget_terminal(live.number(), number).await {
                tracing::debug!(session = %live.id(), error = error.chain(), "forget an ended terminal");
            }
        }
    }

    /// Terminals of the owner's session that can be looked at.
    ///
    /// # Errors
    /// When the session has ended.
    pub fn terminals(&self, owner: &Owner) -> Result<Vec<TerminalView>> {
        let live = self.running(owner)?;
        let parts = live.parts();
        Ok(parts.terminals.values().map(|terminal| TerminalView::of(terminal)).collect())
    }

    /// A ticket for a terminal of the owner's session.
    ///
    /// # Errors
    /// When the session has ended or has no such terminal.
    pub fn ticket(&self, owner: &Owner, terminal: TerminalId) -> Result<Token> {
        let live = self.running(owner)?;
        live.terminal(terminal.number()).ok_or_else(|| Error::not_found("terminal"))?;
        self.tickets().issue(Admission { session: live.id().clone(), terminal })
    }

    /// Closes a terminal of the owner's session.
    ///
    /// # Errors
    /// When the session has ended, has no such terminal, or the backend is away.
    pub async fn close_terminal(&self, owner: &Owner, id: TerminalId) -> Result<()> {
        let live = self.running(owner)?;
        let terminal = live.terminal(id.number()).ok_or_else(|| Error::not_found("terminal"))?;
        if terminal.status().exit.is_some() {
            return Ok(());
        }
        self.parts().backend.hang_up(live.number(), id.number()).await
    }

    /// The seat that a ticket opens; `None` when the ticket is used, too old or unknown, or its terminal is gone.
    pub fn admit(&self, ticket: &str) -> Option<Seat> {
        let admission = self.tickets().redeem(ticket)?;
        let live = self.live_session(&admission.session)?;
        let terminal = live.terminal(admission.terminal.number())?;
        Some(Seat { terminal, notice: live.watch() })
    }
}

/// Takes terminals out of the session: those beyond the newest `kept` ended ones that ended at least `age` ago.
fn take_ended(live: &Live, kept: usize, age: Duration) -> Vec<TerminalNumber> {
    let mut parts = live.parts();
    let exits =
        parts.terminals.iter().filter_map(|(number, terminal)| Some((*number, terminal.status().exit?)));
    let ended: Vec<(TerminalNumber, Exit)> = exits.collect();
    let beyond = ended.len().saturating_sub(kept);
    let old = ended.into_iter().take(beyond).filter(|(_, exit)| exit.at.elapsed() >= age);
    let old: Vec<TerminalNumber> = old.map(|(number, _)| number).collect();
    parts.terminals.retain(|number, _| !old.contains(number));
    old
}

impl TerminalView {
    fn of(terminal: &Terminal) -> Self {
        let status = terminal.status();
        Self { id: terminal.id(), instance: terminal.instance(), exit: status.exit, size: status.size }
    }
}

/// Whether the session has this instance and it runs.
pub(super) fn check_instance(live: &Live, instance: InstanceName) -> Result<()> {
    match live.instance_state(instance.index()) {
        Some(InstanceState::Running) => Ok(()),
        Some(InstanceState::Starting | InstanceState::Rebooting) => {
            Err(Error::new(ErrorKind::Conflict, format!("{instance} is starting. Try again in a moment.")))
        }
        Some(InstanceState::Stopped) => {
            Err(Error::new(ErrorKind::Conflict, format!("{instance} has stopped. Reboot it first.")))
        }
        Some(InstanceState::Removing) => {
            Err(Error::new(ErrorKind::Conflict, format!("{instance} is being removed.")))
        }
        None => Err(Error::not_found("instance")),
    }
}

/// Room for one more terminal, while it is being opened.
struct Place<'a>(&'a Live);

impl<'a> Place<'a> {
    fn take(live: &'a Live) -> Result<Self> {
        let mut parts = live.parts();
        let open = parts.terminals.values().filter(|terminal| terminal.status().exit.is_none()).count();
        if open + parts.opening >= limits::TERMINALS_PER_SESSION {
            let sentence = "This session has as many terminals as it may have. Close one first.";
            return Err(Error::new(ErrorKind::Full, sentence));
        }
        parts.opening += 1;
        drop(parts);
        Ok(Self(live))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.parts().opening -= 1;
    }
}
