//! Rows of ports whose owner wants something of them.

use crate::db::{Database, DbError};

/// A port's row.
#[derive(Debug, Clone)]
pub struct PortRow {
    /// Place of its instance.
    pub place: u8,
    /// Its number.
    pub port: u16,
    /// Who may reach it.
    pub visibility: String,
    /// Whether requests are told to be for `localhost`.
    pub rewrites_host: bool,
}

struct Columns {
    place: i64,
    port: i64,
    visibility: String,
    rewrites_host: i64,
}

impl Database {
    /// Notes what a port is to be, unless the instance has `most` others. Says whether it was noted.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn set_port(
        &self,
        session: &str,
        place: u8,
        port: u16,
        visibility: &str,
        rewrites_host: bool,
        most: u32,
    ) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "INSERT INTO ports (session_id, place, port, visibility, rewrites_host)
             SELECT id, ?2, ?3, ?4, ?5 FROM sessions
             WHERE id = ?1 AND (SELECT count(*) FROM ports WHERE session_id = ?1 AND place = ?2 AND port <> ?3) < ?6
             ON CONFLICT (session_id, place, port)
             DO UPDATE SET visibility = excluded.visibility, rewrites_host = excluded.rewrites_host",
            session,
            place,
            port,
            visibility,
            rewrites_host,
            most
        )
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The ports of a session that have a row.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn ports(&self, session: &str) -> Result<Vec<PortRow>, DbError> {
        let rows = sqlx::query_as!(
            Columns,
            "SELECT place, port, visibility, rewrites_host FROM ports WHERE session_id = ?",
            session
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().filter_map(PortRow::of).collect())
    }
}

impl PortRow {
    fn of(row: Columns) -> Option<Self> {
        Some(Self {
            place: u8::try_from(row.place).ok()?,
            port: u16::try_from(row.port).ok()?,
            visibility: row.visibility,
            rewrites_host: row.rewrites_host != 0,
        })
    }
}
