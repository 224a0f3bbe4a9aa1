//! A client of the HTTP interface, as a program of a user would be.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::terminal::Terminal;

/// Client of one node.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    url: String,
    authority: Option<Authority>,
}

/// A session that this client created.
#[derive(Debug, Clone)]
pub struct Session {
    api: Api,
    /// Its public id.
    pub id: String,
    /// Its API token.
    pub token: String,
    /// The page's address.
    pub url: String,
    /// The whole answer.
    pub body: Value,
}

impl Api {
    /// A client of the node at `url`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { http: client().build()?, url: url.to_owned(), authority: None })
    }

    /// A client of the node, or of what stands before it, on this machine: by TLS, whatever its host is called.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn secure(url: &str, authority: &Authority) -> Result<Self> {
        Self::secure_with(url, authority, client())
    }

    /// As [`Api::secure`], from one of this machine's loopback addresses.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn secure_from(url: &str, authority: &Authority, address: IpAddr) -> Result<Self> {
        Self::secure_with(url, authority, client().local_address(address))
    }

    fn secure_with(url: &str, authority: &Authority, client: reqwest::ClientBuilder) -> Result<Self> {
        let parsed: reqwest::Url = url.parse()?;
        let address = SocketAddr::from(([127, 0, 0, 1], parsed.port_or_known_default().unwrap_or(443)));
        let http = client.resolve(parsed.host_str().context("no host")?, address);
        let http = authority.trusted_by(http)?.build()?;
        Ok(Self { http, url: url.to_owned(), authority: Some(authority.clone()) })
    }

    /// The client below, for requests of a test's own.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Connects to the terminal that an answer names.
    ///
    /// # Errors
    /// When the answer names none, or the upgrade is refused.
    pub async fn attach(&self, answer: &Value) -> Result<Terminal> {
        let ws_url = answer.get("ws_url").and_then(Value::as_str).context("no ws_url")?;
        match &self.authority {
            Some(authority) => Terminal::connect_secure(ws_url, authority).await,
            None => Terminal::connect(ws_url).await,
        }
    }

    /// Sends a request and returns status and body; a body that is no JSON becomes a JSON string.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Creates a session and expects 201.
    ///
    /// # Errors
    /// When the answer is another; its body is part of the message.
    pub async fn create(&self, playground: &str) -> Result<Session> {
        let body = json!({ "playground": playground });
        let (status, body) = self.request(Method::POST, "/api/v1/sessions", None, Some(body)).await?;
        ensure!(status == StatusCode::CREATED, "create a session: {status} {body}");
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).map(str::to_owned).context(format!("no {name} in {body}"))
        };
        let (id, token, url) = (text("id")?, text("token")?, text("url")?);
        Ok(Session { api: self.clone(), id, token, url, body })
    }
}

fn client() -> reqwest::ClientBuilder {
    sandlot_server::tls::use_ring();
    // A test may replace serve between two requests; a kept connection would break then.
    reqwest::Client::builder().no_proxy().tcp_nodelay(true).pool_max_idle_per_host(0)
}

impl Session {
    /// Sends a request below this session's path with its token.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn request(
        &self,
        method: Method,
        below: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let path = format!("/api/v1/sessions/{}{below}", self.id);
        self.api.request(method, &path, Some(&self.token), body).await
    }

    /// Opens a terminal of 24 x 80 on the first instance and connects to it.
    ///
    /// # Errors
    /// When the terminal is refused or its websocket is.
    pub async fn terminal(&self) -> Result<Terminal> {
        self.terminal_of("m1").await
    }

    /// The same on the instance of this name.
    ///
    /// # Errors
    /// As [`Session::terminal`].
    pub async fn terminal_of(&self, instance: &str) -> Result<Terminal> {
        let body = json!({ "rows": 24, "cols": 80 });
        let path = format!("/instances/{instance}/terminals");
        let (status, body) = self.request(Method::POST, &path, Some(body)).await?;
        ensure!(status == StatusCode::CREATED, "open a terminal: {status} {body}");
        self.api.attach(&body).await
    }

    /// Adds an instance as the playground has it, and returns its name.
    ///
    /// # Errors
    /// When the answer is not 201.
    pub async fn add_instance(&self) -> Result<String> {
        let (status, body) = self.request(Method::POST, "/instances", None).await?;
        ensure!(status == StatusCode::CREATED, "add an instance: {status} {body}");
        let name = body.get("name").and_then(Value::as_str).context("no name")?;
        Ok(name.to_owned())
    }

    /// Runs a program in the first instance and returns the answer.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn exec(&self, argv: &[&str]) -> Result<Value> {
        self.exec_at("m1", argv).await
    }

    /// As [`Session::exec`], in this instance.
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn exec_at(&self, instance: &str, argv: &[&str]) -> Result<Value> {
        let below = format!("/instances/{instance}/exec");
        let (status, body) = self.request(Method::POST, &below, Some(json!({ "argv": argv }))).await?;
        ensure!(status == StatusCode::OK, "exec {argv:?}: {status} {body}");
        Ok(body)
    }

    /// Runs a line in the instance's shell and returns exit code and both outputs joined.
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn sh(&self, line: &str) -> Result<(i64, String)> {
        self.sh_at("m1", line).await
    }

    /// As [`Session::sh`], in this instance.
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn sh_at(&self, instance: &str, line: &str) -> Result<(i64, String)> {
        let body = self.exec_at(instance, &["/bin/sh", "-c", line]).await?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = body.get("exit_code").and_then(Value::as_i64).unwrap_or(-1);
        Ok((code, text("stdout") + &text("stderr")))
    }

    /// Closes the session and expects success.
    ///
    /// # Errors
    /// When the answer is another.
    pub async fn close(&self) -> Result<()> {
        let (status, body) = self.request(Method::DELETE, "", None).await?;
        ensure!(status.is_success(), "close session {}: {status} {body}", self.id);
        Ok(())
    }
}
