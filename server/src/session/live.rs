//! A session in memory, from its start or adoption to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandlot_runtime::supervisor::name::{ExecNumber, Hostname, InstanceIndex, SessionNumber, TerminalNumber};
use sandlot_runtime::supervisor::protocol::{EndReason, ExitStatus};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::auth::access::Secrets;
use crate::clock::UnixMillis;
use crate::config::limits;
use crate::dns::Zone;
use crate::id::SessionId;
use crate::session::ports::held::SessionPorts;
use crate::terminal::Terminal;

/// State of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// It is being added.
    Starting,
    /// In use.
    Running,
    /// It is being started anew.
    Rebooting,
    /// Its pid 1 has ended.
    Stopped,
    /// It is being removed.
    Removing,
}

impl InstanceState {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Rebooting => "rebooting",
            Self::Stopped => "stopped",
            Self::Removing => "removing",
        }
    }
}

/// An instance in memory.
#[derive(Debug, Clone)]
pub(crate) struct LiveInstance {
    /// Changed by events, reboots, and its coming and going.
    pub(crate) state: InstanceState,
    /// Its host name.
    pub(crate) hostname: Hostname,
}

/// What every viewer of a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// When it ends.
    pub expires_at: UnixMillis,
    /// Counts the warnings given; a change of it is one more.
    pub warnings: u32,
    /// Processes killed at a memory limit.
    pub out_of_memory: u64,
    /// Set once it ends.
    pub ending: Option<EndReason>,
}

/// What a [`Live`] is made from.
#[derive(Debug)]
pub(crate) struct Founding {
    pub(crate) id: SessionId,
    pub(crate) number: SessionNumber,
    pub(crate) playground: String,
    pub(crate) secrets: Secrets,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    pub(crate) instances: BTreeMap<InstanceIndex, LiveInstance>,
    /// The highest number that a terminal of an earlier serve had.
    pub(crate) last_terminal: u32,
    /// A number above that of every exec of an earlier serve.
    pub(crate) last_exec: u32,
    /// The ports of each instance, in the order of their index.
    pub(crate) ports: SessionPorts,
}

/// A session that has not ended.
#[derive(Debug)]
pub(crate) struct Live {
    id: SessionId,
    number: SessionNumber,
    playground: String,
    secrets: Secrets,
    created_at: UnixMillis,
    /// Changed by extension, warnings, events and the end.
    notice: watch::Sender<Notice>,
    /// Set when the backend says by itself that it has nothing left of it.
    gone: watch::Sender<bool>,
    /// Set when nothing is left, and the row says so.
    finished: watch::Sender<bool>,
    last_terminal: AtomicU32,
    last_exec: AtomicU32,
    /// What its instances are called in its network.
    zone: Arc<Zone>,
    /// The ports of its instances.
    ports: SessionPorts,
    /// Origin by which the session's page was last opened: where visitors of its private ports prove themselves.
    site: Mutex<Option<String>>,
    /// Streams of events that are open.
    event_streams: Arc<Semaphore>,
    parts: Mutex<Parts>,
}

/// Changed under the lock only, never held over an await.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Those that run, and those that come and go.
    pub(crate) instances: BTreeMap<InstanceIndex, LiveInstance>,
    /// Open terminals, and the newest ended ones.
    pub(crate) terminals: BTreeMap<TerminalNumber, Arc<Terminal>>,
    /// Ends that were told before their terminal was here.
    pub(crate) early_ends: HashMap<TerminalNumber, ExitStatus>,
    /// Terminals that are being opened.
    pub(crate) opening: usize,
    /// Who waits for the end of an exec.
    pub(crate) execs: HashMap<ExecNumber, oneshot::Sender<ExitStatus>>,
}

impl Live {
    pub(crate) fn new(founding: Founding) -> Arc<Self> {
        let notice = Notice { expires_at: founding.expires_at, warnings: 0, out_of_memory: 0, ending: None };
        let instances = founding.instances;
        let zone = Arc::new(Zone::default());
        instances.iter().for_each(|(index, instance)| zone.add(*index, instance.hostname.clone()));
        Arc::new(Self {
            id: founding.id,
            number: founding.number,
            playground: founding.playground,
            secrets: founding.secrets,
            created_at: founding.created_at,
            notice: watch::Sender::new(notice),
            gone: watch::Sender::new(false),
            finished: watch::Sender::new(false),
            last_terminal: AtomicU32::new(founding.last_terminal),
            last_exec: AtomicU32::new(founding.last_exec),
            zone,
            ports: founding.ports,
            site: Mutex::default(),
            event_streams: Arc::new(Semaphore::new(limits::EVENT_STREAMS)),
            parts: Mutex::new(Parts { instances, ..Parts::default() }),
        })
    }

    pub(crate) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(crate) fn number(&self) -> SessionNumber {
        self.number
    }

    pub(crate) fn playground(&self) -> &str {
        &self.playground
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(crate) fn created_at(&self) -> UnixMillis {
        self.created_at
    }

    pub(crate) fn zone(&self) -> &Arc<Zone> {
        &self.zone
    }

    pub(crate) fn notice(&self) -> Notice {
        *self.notice.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Notice> {
        self.notice.subscribe()
    }

    pub(crate) fn change_notice(&self, change: impl FnOnce(&mut Notice)) {
        self.notice.send_modify(change);
    }

    /// Why it ends, once it does.
    pub(crate) fn ending(&self) -> Option<EndReason> {
        self.notice.borrow().ending
    }

    /// It ends from now on; says whether this call began that.
    pub(crate) fn begin_end(&self, reason: EndReason) -> bool {
        self.notice.send_if_modified(|notice| {
            let first = notice.ending.is_none();
            notice.ending.get_or_insert(reason);
            first
        })
    }

    /// Resolves once it ends.
    pub(crate) async fn begun_end(&self) {
        let mut notice = self.notice.subscribe();
        // The sender lives in `self`, so this cannot fail.
        drop(notice.wait_for(|notice| notice.ending.is_some()).await);
    }

    /// The backend has nothing left of it.
    pub(crate) fn note_gone(&self) {
        self.gone.send_replace(true);
    }

    /// Resolves once the backend has said by itself that it has nothing left of it.
    pub(crate) async fn gone(&self) {
        let mut gone = self.gone.subscribe();
        // The sender lives in `self`, so this cannot fail.
        drop(gone.wait_for(|gone| *gone).await);
    }

    /// Nothing is left of it, and the row says so.
    pub(crate) fn finish(&self) {
        self.finished.send_replace(true);
    }

    /// Resolves once nothing is left of it.
    pub(crate) async fn finished(&self) {
        let mut finished = self.finished.subscribe();
        // The sender lives in `self`, so this cannot fail.
        drop(finished.wait_for(|finished| *finished).await);
    }

    /// A number for a terminal, never used before in this session.
    pub(crate) fn next_terminal(&self) -> TerminalNumber {
        TerminalNumber(self.last_terminal.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A number for an exec, never used before in this session.
    pub(crate) fn next_exec(&self) -> ExecNumber {
        ExecNumber(self.last_exec.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn terminal(&self, number: TerminalNumber) -> Option<Arc<Terminal>> {
        self.parts().terminals.get(&number).cloned()
    }

    pub(crate) fn instance_state(&self, index: InstanceIndex) -> Option<InstanceState> {
        self.parts().instances.get(&index).map(|instance| instance.state)
    }

    /// Notes an instance's state. Its ports are reached while it runs; a reboot gives it another network.
    pub(crate) fn set_instance(&self, index: InstanceIndex, state: InstanceState) {
        if let Some(instance) = self.parts().instances.get_mut(&index) {
            instance.state = state;
        }
        match self.ports.of(index) {
            Some(ports) if state == InstanceState::Running => ports.gate().reopen(),
            Some(ports) => ports.gate().shut(),
            None => {}
        }
    }

    /// The ports of its instances.
    pub(crate) fn ports(&self) -> &SessionPorts {
        &self.ports
    }

    /// Room for streams of events.
    pub(crate) fn event_streams(&self) -> &Arc<Semaphore> {
        &self.event_streams
    }

    /// The session's page was opened by this origin.
    pub(crate) fn set_site(&self, origin: String) {
        *self.site.lock().unwrap_or_else(PoisonError::into_inner) = Some(origin);
    }

    /// What [`Live::set_site`] was last given.
    pub(crate) fn site(&self) -> Option<String> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
