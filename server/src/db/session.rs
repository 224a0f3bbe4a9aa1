//! Rows of sessions.
//!
//! ```text
//! starting --> running --> closing --> ended
//!     |                       ^
//!     +-----------------------+   (a start that failed)
//! ```

use sandlot_runtime::supervisor::protocol::EndReason;

use crate::clock::UnixMillis;
use crate::db::instance::{InstanceRow, insert_instance};
use crate::db::{Database, DbError};

/// Life of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// The row is there, the machines are not yet.
    Starting,
    /// In use.
    Running,
    /// It ends; nothing new begins in it.
    Closing,
    /// Nothing of it is left but the row.
    Ended,
}

impl SessionState {
    /// As in the rows and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Closing => "closing",
            Self::Ended => "ended",
        }
    }

    fn from_row(text: &str) -> Self {
        match text {
            "starting" => Self::Starting,
            "running" => Self::Running,
            "closing" => Self::Closing,
            _ => Self::Ended,
        }
    }
}

/// A reason as in the rows and the API.
pub fn reason_text(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Expired => "expired",
        EndReason::Closed => "closed",
        EndReason::StartFailed => "start_failed",
        EndReason::Operator => "operator",
        EndReason::SupervisorLost => "supervisor_lost",
        EndReason::NodeRestarted => "node_restarted",
    }
}

fn reason_from_row(text: &str) -> EndReason {
    match text {
        "expired" => EndReason::Expired,
        "closed" => EndReason::Closed,
        "start_failed" => EndReason::StartFailed,
        "supervisor_lost" => EndReason::SupervisorLost,
        "node_restarted" => EndReason::NodeRestarted,
        _ => EndReason::Operator,
    }
}

/// A session to be inserted.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: String,
    /// Its number at the supervisor.
    pub number: u32,
    /// What it is made from.
    pub playground: String,
    /// Its machines.
    pub instances: Vec<InstanceRow>,
    /// What quotas count by.
    pub client: String,
    /// SHA-256 of the secret in its URL.
    pub url_token_hash: [u8; 32],
    /// SHA-256 of the secret of its API.
    pub api_token_hash: [u8; 32],
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// How many sessions may be alive.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// On the node.
    pub node: u32,
    /// Of the client.
    pub client: u32,
}

/// A session's row.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Its number.
    pub number: u32,
    /// What it is made from.
    pub playground: String,
    /// Its state.
    pub state: SessionState,
    /// Why it ends or ended.
    pub end_reason: Option<EndReason>,
    /// SHA-256 of the secret in its URL.
    pub url_token_hash: Vec<u8>,
    /// SHA-256 of the secret of its API.
    pub api_token_hash: Vec<u8>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends or should have.
    pub expires_at: UnixMillis,
    /// Machines.
    pub instances: u8,
}

/// The columns as SQLite gives them.
struct Columns {
    id: String,
    number: i64,
    playground: String,
    state: String,
    end_reason: Option<String>,
    url_token_hash: Vec<u8>,
    api_token_hash: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    instances: i64,
}

impl From<Columns> for SessionRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            number: u32::try_from(row.number).unwrap_or(0),
            playground: row.playground,
            state: SessionState::from_row(&row.state),
            end_reason: row.end_reason.as_deref().map(reason_from_row),
            url_token_hash: row.url_token_hash,
            api_token_hash: row.api_token_hash,
            created_at: UnixMillis::from_row(row.created_at),
            expires_at: UnixMillis::from_row(row.expires_at),
            instances: u8::try_from(row.instances).unwrap_or(0),
        }
    }
}

impl Database {
    /// Inserts the row of a session that is about to start, with its instances, within the quota.
    ///
    /// # Errors
    /// [`DbError::NodeFull`], [`DbError::ClientFull`] or [`DbError::NumberTaken`], or when the write fails.
    pub async fn insert_session(&self, new: &NewSession, quota: Quota) -> Result<(), DbError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let live = sqlx::query!(
            r#"SELECT count(*) AS "node!: i64", count(*) FILTER (WHERE client = ?) AS "client!: i64"
               FROM sessions WHERE state <> 'ended'"#,
            new.client
        )
        .fetch_one(&mut *tx)
        .await?;
        if live.client >= i64::from(quota.client) {
            return Err(DbError::ClientFull);
        }
        if live.node >= i64::from(quota.node) {
            return Err(DbError::NodeFull);
        }
        let (created, expires) = (new.created_at.to_row(), new.expires_at.to_row());
        let (url_token, api_token) = (new.url_token_hash.as_slice(), new.api_token_hash.as_slice());
        sqlx::query!(
            "INSERT INTO sessions (id, number, playground, state, client, url_token_hash, api_token_hash,
                                   created_at, expires_at)
             VALUES (?, ?, ?, 'starting', ?, ?, ?, ?, ?)",
            new.id,
            new.number,
            new.playground,
            new.client,
            url_token,
            api_token,
            created,
            expires
        )
        .execute(&mut *tx)
        .await?;
        for instance in &new.instances {
            insert_instance(&mut tx, &new.id, instance).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The machines run: the session is in use. Says whether it was still starting.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn mark_running(&self, id: &str) -> Result<bool, DbError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let changed = sqlx::query!(
            "UPDATE sessions SET state = 'running', epoch = epoch + 1 WHERE id = ? AND state = 'starting'",
            id
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        sqlx::query!(
            "UPDATE instances SET state = 'running' WHERE session_id = ? AND state = 'starting'",
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// The session is to end for `reason`; a reason that is there already stays. Says whether this call began the end.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn mark_closing(&self, id: &str, reason: EndReason) -> Result<bool, DbError> {
        let reason = reason_text(reason);
        let changed = sqlx::query!(
            "UPDATE sessions SET state = 'closing', end_reason = ?, epoch = epoch + 1
             WHERE id = ? AND state IN ('starting', 'running')",
            reason,
            id
        )
        .execute(&self.writer)
        .await?
        .rows_affected();
        Ok(changed == 1)
    }

    /// Nothing is left of the session: its row and those of its parts get their final state. May be repeated.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn finish_session(&self, id: &str, reason: EndReason, at: UnixMillis) -> Result<(), DbError> {
        let (reason, at) = (reason_text(reason), at.to_row());
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query!(
            "UPDATE sessions SET state = 'ended', ended_at = ?, end_reason = coalesce(end_reason, ?), epoch = epoch + 1
             WHERE id = ? AND state <> 'ended'",
            at,
            reason,
            id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("UPDATE instances SET state = 'ended' WHERE session_id = ? AND state <> 'ended'", id)
            .execute(&mut *tx)
            .await?;
        sqlx::query!(
            "UPDATE terminals SET state = 'ended', ended_at = ? WHERE session_id = ? AND state <> 'ended'",
            at,
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Moves the end of a session that is in use. Says whether it was.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn move_expiry(&self, id: &str, expires_at: UnixMillis) -> Result<bool, DbError> {
        let expires = expires_at.to_row();
        let changed = sqlx::query!(
            "UPDATE sessions SET expires_at = ?, epoch = epoch + 1 WHERE id = ? AND state = 'running'",
            expires,
            id
        )
        .execute(&self.writer)
        .await?
        .rows_affected();
        Ok(changed == 1)
    }

    /// Every session that has not ended.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn live_sessions(&self) -> Result<Vec<SessionRow>, DbError> {
        let rows = sqlx::query_as!(
            Columns,
            r#"SELECT id, number, playground, state, end_reason, url_token_hash, api_token_hash, created_at, expires_at,
                      (SELECT count(*) FROM instances WHERE session_id = sessions.id) AS "instances!: i64"
               FROM sessions WHERE state <> 'ended' ORDER BY created_at"#
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(SessionRow::from).collect())
    }

    /// The session of this id.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn session(&self, id: &str) -> Result<Option<SessionRow>, DbError> {
        let row = sqlx::query_as!(
            Columns,
            r#"SELECT id, number, playground, state, end_reason, url_token_hash, api_token_hash, created_at, expires_at,
                      (SELECT count(*) FROM instances WHERE session_id = sessions.id) AS "instances!: i64"
               FROM sessions WHERE id = ?"#,
            id
        )
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(SessionRow::from))
    }

    /// The session whose URL holds the secret of this hash.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn session_by_url_token(&self, hash: &[u8; 32]) -> Result<Option<SessionRow>, DbError> {
        let hash = hash.as_slice();
        let row = sqlx::query_as!(
            Columns,
            r#"SELECT id, number, playground, state, end_reason, url_token_hash, api_token_hash, created_at, expires_at,
                      (SELECT count(*) FROM instances WHERE session_id = sessions.id) AS "instances!: i64"
               FROM sessions WHERE url_token_hash = ?"#,
            hash
        )
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(SessionRow::from))
    }

    /// Drops rows of sessions that ended before `before`. Returns how many.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn drop_ended_sessions(&self, before: UnixMillis) -> Result<u64, DbError> {
        let before = before.to_row();
        let done =
            sqlx::query!("DELETE FROM sessions WHERE ended_at < ?", before).execute(&self.writer).await?;
        Ok(done.rows_affected())
    }
}
