//! A serve and its sessions.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use sandlot_server::config::Config;
use sandlot_server::config::options::{BackendKind, Options};
use serde_json::{Value, json};

use super::PATIENCE;
use super::viewer::Viewer;

/// A serve of this test's own, in this process.
pub(crate) struct Service {
    pub(crate) state: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) stop: sandlot_server::shutdown::Shutdown,
    pub(crate) done: tokio::task::JoinHandle<Result<()>>,
}

impl Service {
    pub(crate) async fn start(toml: &str) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let file = state.path().join("sandlot.toml");
        std::fs::write(&file, toml)?;
        let config = Config::load(Options {
            listen: Some("127.0.0.1:0".into()),
            state_dir: Some(state.path().to_owned()),
            run_dir: Some(state.path().join("run")),
            config: Some(file),
            backend: Some(BackendKind::Local),
            ..Options::default()
        })?;
        let prepared = sandlot_server::serve::local::prepare(&config)?;
        let url = format!("http://{}", prepared.listener.local_addr()?);
        let stop = sandlot_server::shutdown::Shutdown::default();
        let done = tokio::spawn(sandlot_server::serve::run(config, prepared, stop.clone()));
        sandlot_server::tls::use_ring();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { state, url, http, stop, done })
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> Result<(StatusCode, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.url)).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub(crate) async fn session(&self, playground: &str) -> Result<Session<'_>> {
        let body = json!({ "playground": playground });
        let (status, body) = self.send(Method::POST, "/api/v1/sessions", "", body).await?;
        ensure!(status == StatusCode::CREATED, "{status} {body}");
        let text = |name: &str| body[name].as_str().map(str::to_owned).context(format!("no {name}"));
        Ok(Session {
            service: self,
            path: format!("/api/v1/sessions/{}", text("id")?),
            token: text("token")?,
            body,
        })
    }

    /// Ends serve and checks that every row is in its final state or belongs to a session that goes on.
    pub(crate) async fn end(self) -> Result<()> {
        self.stop.begin();
        tokio::time::timeout(PATIENCE, self.done).await???;
        Ok(())
    }

    pub(crate) async fn rows(&self, query: &str) -> Result<String> {
        let output = tokio::process::Command::new("sqlite3")
            .arg(self.state.path().join("serve/sandlot.db"))
            .arg(query)
            .output()
            .await?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

pub(crate) struct Session<'a> {
    pub(crate) service: &'a Service,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) body: Value,
}

impl Session<'_> {
    pub(crate) async fn send(&self, method: Method, below: &str, body: Value) -> Result<(StatusCode, Value)> {
        self.service.send(method, &format!("{}{below}", self.path), &self.token, body).await
    }

    pub(crate) async fn terminal(&self) -> Result<(Value, Viewer)> {
        let (status, body) = self.send(Method::POST, "/instances/m1/terminals", json!({})).await?;
        ensure!(status == StatusCode::CREATED, "{status} {body}");
        let url = body["ws_url"].as_str().context("no ws_url")?;
        let viewer = Viewer::connect(url).await?;
        Ok((body, viewer))
    }

    pub(crate) async fn ticket(&self, terminal: &Value) -> Result<String> {
        let id = terminal["id"].as_str().context("no id")?;
        let (status, body) = self.send(Method::POST, &format!("/terminals/{id}/tickets"), json!({})).await?;
        ensure!(status == StatusCode::CREATED, "{status} {body}");
        Ok(body["ws_url"].as_str().context("no ws_url")?.to_owned())
    }
}
