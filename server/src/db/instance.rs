//! Rows of instances: they come and go while their session runs.

use crate::db::{Database, DbError};

/// An instance's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its place in the session.
    pub place: u8,
    /// Its host name; empty for one of before there were such.
    pub hostname: String,
    /// Its image.
    pub image: String,
}

impl Database {
    /// Inserts the row of an instance that is about to be added. Says whether the session is in use.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn insert_instance(&self, id: &str, instance: &InstanceRow) -> Result<bool, DbError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let running = sqlx::query!("SELECT id FROM sessions WHERE id = ? AND state = 'running'", id)
            .fetch_optional(&mut *tx)
            .await?;
        if running.is_none() {
            return Ok(false);
        }
        insert_instance(&mut tx, id, instance).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Nothing is left of an instance.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn drop_instance(&self, id: &str, place: u8) -> Result<(), DbError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query!("DELETE FROM ports WHERE session_id = ? AND place = ?", id, place)
            .execute(&mut *tx)
            .await?;
        sqlx::query!("DELETE FROM instances WHERE session_id = ? AND place = ?", id, place)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The instances of a session in the order of their places.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn instances(&self, id: &str) -> Result<Vec<InstanceRow>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT place AS "place!: i64", hostname, image FROM instances WHERE session_id = ? ORDER BY place"#,
            id
        )
        .fetch_all(&self.readers)
        .await?;
        let row = |place: i64, hostname, image| InstanceRow {
            place: u8::try_from(place).unwrap_or(u8::MAX),
            hostname,
            image,
        };
        Ok(rows.into_iter().map(|found| row(found.place, found.hostname, found.image)).collect())
    }

    /// Notes that an instance runs or stopped.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn mark_instance(&self, id: &str, place: u8, runs: bool) -> Result<(), DbError> {
        let state = if runs { "running" } else { "stopped" };
        sqlx::query!(
            "UPDATE instances SET state = ? WHERE session_id = ? AND place = ? AND state <> 'ended'",
            state,
            id,
            place
        )
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

/// Inserts one, in a transaction that the caller ends.
pub(super) async fn insert_instance(
    tx: &mut sqlx::SqliteConnection,
    id: &str,
    instance: &InstanceRow,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO instances (session_id, place, state, hostname, image) VALUES (?, ?, 'starting', ?, ?)",
        id,
        instance.place,
        instance.hostname,
        instance.image
    )
    .execute(tx)
    .await?;
    Ok(())
}
