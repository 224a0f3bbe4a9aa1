//! Rows of terminals.

use sandlot_runtime::supervisor::protocol::ExitStatus;

use crate::clock::UnixMillis;
use crate::db::{Database, DbError};

/// A terminal's row.
#[derive(Debug, Clone)]
pub struct TerminalRow {
    /// Its number in the session.
    pub number: u32,
    /// Place of its instance.
    pub place: u8,
    /// Whether its program has ended or it never opened.
    pub ended: bool,
}

struct Columns {
    number: i64,
    place: i64,
    ended: i64,
}

impl Database {
    /// Inserts the row of a terminal that is about to open, in a session that is in use. Says whether it is.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn insert_terminal(
        &self,
        session: &str,
        number: u32,
        place: u8,
        at: UnixMillis,
    ) -> Result<bool, DbError> {
        let at = at.to_row();
        let done = sqlx::query!(
            "INSERT INTO terminals (session_id, number, place, state, created_at)
             SELECT id, ?, ?, 'opening', ? FROM sessions WHERE id = ? AND state = 'running'",
            number,
            place,
            at,
            session
        )
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The terminal's program runs.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn mark_terminal_open(&self, session: &str, number: u32) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE terminals SET state = 'open' WHERE session_id = ? AND number = ? AND state = 'opening'",
            session,
            number
        )
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The terminal has ended; `status` is `None` when its program never ran or its end was not seen. May be repeated.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn finish_terminal(
        &self,
        session: &str,
        number: u32,
        status: Option<ExitStatus>,
        at: UnixMillis,
    ) -> Result<(), DbError> {
        let (code, signal) = status.map_or((None, None), |s| (s.code, s.signal));
        let at = at.to_row();
        sqlx::query!(
            "UPDATE terminals SET state = 'ended', exit_code = ?, exit_signal = ?, ended_at = ?
             WHERE session_id = ? AND number = ? AND state <> 'ended'",
            code,
            signal,
            at,
            session,
            number
        )
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Every terminal of a session, in the order of their numbers.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn terminals(&self, session: &str) -> Result<Vec<TerminalRow>, DbError> {
        let rows = sqlx::query_as!(
            Columns,
            r#"SELECT number, place, (state = 'ended') AS "ended!: i64" FROM terminals WHERE session_id = ? ORDER BY number"#,
            session
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(TerminalRow::from).collect())
    }
}

impl From<Columns> for TerminalRow {
    fn from(row: Columns) -> Self {
        Self {
            number: u32::try_from(row.number).unwrap_or(0),
            place: u8::try_from(row.place).unwrap_or(0),
            ended: row.ended != 0,
        }
    }
}
