//! The query data in `.sqlx` fits the migrations: who changes a migration must make it anew (see migrations/README.md).

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Column, Either, Executor, SqlSafeStr, Statement, TypeInfo};

#[tokio::test]
async fn the_query_data_fits_the_migrations() -> Result<()> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::migrate!("../migrations").run(&pool).await?;
    let mut count = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.sqlx"))? {
        let path = entry?.path();
        let data: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let query = data["query"].as_str().context("no query")?;
        let statement = pool
            .prepare(AssertSqlSafe(query.to_owned()).into_sql_str())
            .await
            .with_context(|| query.to_owned())?;
        let columns: Vec<(String, String)> = statement
            .columns()
            .iter()
            .map(|c| (c.name().to_owned(), c.type_info().name().to_owned()))
            .collect();
        let recorded = data["describe"]["columns"].as_array().context("no columns")?;
        ensure!(recorded.len() == columns.len(), "{}: the columns have changed", path.display());
        for (column, recorded) in columns.iter().zip(recorded) {
            ensure!(recorded["name"] == column.0, "{}: column {} has changed", path.display(), column.0);
        }
        if let Some(Either::Right(parameters)) = statement.parameters() {
            ensure!(
                data["describe"]["parameters"]["Right"] == parameters,
                "{}: the parameters have changed",
                path.display()
            );
        }
        count += 1;
    }
    ensure!(count > 10, "only {count} queries in .sqlx");
    Ok(())
}
