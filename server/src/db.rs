//! The database: wanted state only. The only place with SQL; functions are named by their intent.
//!
//! SQLite in WAL mode. All writes go over one connection, so that no transaction ever waits for a lock in the middle;
//! reads have two of their own and wait for nobody. `synchronous = NORMAL`: a power failure may lose the newest
//! transactions, never the file; after one, the sessions are gone anyway.

pub mod instance;
pub mod port;
pub mod session;
pub mod terminal;

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The node holds as many sessions as it may.
    #[error("insert a session: the node is full")]
    NodeFull,
    /// The client holds as many sessions as it may.
    #[error("insert a session: the client has too many")]
    ClientFull,
    /// The number belongs to a session that has not ended.
    #[error("insert a session: its number is taken")]
    NumberTaken,
    /// The disk or the quota of the database is full.
    #[error("write the database: no space left")]
    DiskFull,
    /// Anything else.
    #[error("query the database: {0}")]
    Query(#[source] sqlx::Error),
    /// The migrations could not be applied.
    #[error("migrate the database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// SQLite's primary result code for a full disk.
const SQLITE_FULL: i32 = 13;

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<i32>().ok());
        let message = error.as_database_error().map(|e| e.message().to_owned()).unwrap_or_default();
        match code {
            Some(code) if code & 0xff == SQLITE_FULL => Self::DiskFull,
            Some(_) if message.contains("sessions.number") => Self::NumberTaken,
            _ => Self::Query(error),
        }
    }
}

/// The open database; clones share it.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens or makes the file, and brings it to the newest schema.
    ///
    /// # Errors
    /// When the file cannot be used or a migration fails.
    pub async fn open(path: &Path) -> Result<Self, DbError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let readers =
            SqlitePoolOptions::new().max_connections(2).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
    }

    /// Whether a trivial query is answered.
    ///
    /// # Errors
    /// When it is not.
    pub async fn check(&self) -> Result<(), DbError> {
        sqlx::query_scalar!(r#"SELECT 1 AS "one: i64""#).fetch_one(&self.readers).await?;
        Ok(())
    }

    /// Closes every connection; the log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
