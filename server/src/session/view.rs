//! What an owner may see of a session.

use sandlot_runtime::supervisor::name::InstanceIndex;
use sandlot_runtime::supervisor::protocol::EndReason;

use super::Sessions;
use super::live::{InstanceState, Live};
use crate::auth::access::Owner;
use crate::clock::UnixMillis;
use crate::db::session::{SessionRow, SessionState};
use crate::error::{Error, Result};
use crate::id::InstanceName;

/// A session.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// What it was made from.
    pub playground: String,
    /// Its state.
    pub state: SessionState,
    /// Why it ends or ended.
    pub end_reason: Option<EndReason>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends or should have.
    pub expires_at: UnixMillis,
    /// Its machines.
    pub instances: Vec<InstanceView>,
}

/// An instance.
#[derive(Debug, Clone)]
pub struct InstanceView {
    /// Its name, which is also its host name.
    pub name: InstanceName,
    /// Its state, as in the API.
    pub state: &'static str,
}

impl SessionView {
    pub(super) fn of(live: &Live) -> Self {
        let notice = live.notice();
        let states: Vec<InstanceState> = live.parts().instances.clone();
        Self {
            id: live.id().to_string(),
            playground: live.playground().to_owned(),
            state: if notice.ending.is_some() { SessionState::Closing } else { SessionState::Running },
            end_reason: notice.ending,
            created_at: live.created_at(),
            expires_at: notice.expires_at,
            instances: instances(states.into_iter().map(InstanceState::as_str)),
        }
    }

    fn of_row(row: SessionRow) -> Self {
        let state = match row.state {
            SessionState::Ended => "ended",
            _ => "starting",
        };
        Self {
            instances: instances((0..row.instances).map(|_| state)),
            id: row.id,
            playground: row.playground,
            state: row.state,
            end_reason: row.end_reason,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }

    /// Whether nothing can be done in it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, SessionState::Closing | SessionState::Ended)
    }
}

fn instances<'a>(states: impl Iterator<Item = &'static str> + 'a) -> Vec<InstanceView> {
    let indexes = (0..InstanceIndex::COUNT).filter_map(|place| InstanceIndex::try_from(place).ok());
    indexes.zip(states).map(|(index, state)| InstanceView { name: index.into(), state }).collect()
}

impl Sessions {
    /// The owner's session, also after its end.
    ///
    /// # Errors
    /// When its row is gone.
    pub async fn view(&self, owner: &Owner) -> Result<SessionView> {
        if let Some(live) = self.live_session(owner.session()) {
            return Ok(SessionView::of(&live));
        }
        let row = self.parts().db.session(owner.session().as_str()).await?;
        row.map(SessionView::of_row).ok_or_else(|| Error::not_found("session"))
    }
}
