//! A port of a session and the stream of its events.

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::api::Session;
use crate::node::TestNode;
use crate::wait::{PATIENCE, until_async};

/// A port, and a client that reaches it by both forms.
#[derive(Debug)]
pub struct Port {
    /// The whole answer.
    pub body: Value,
    /// Its address by the host form.
    pub url: String,
    /// Host and port of that.
    pub host: String,
    path_url: String,
    site: String,
    client: Client,
}

impl Port {
    /// As the API described it.
    ///
    /// # Errors
    /// When it is not described.
    pub fn of(node: &TestNode, body: &Value) -> Result<Self> {
        let text =
            |name: &str| body[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {body}"));
        let url = text("url")?;
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.pool_max_idle_per_host(0).build()?;
        Ok(Self { body: body.clone(), url, host, path_url: text("path_url")?, site: node.url(), client })
    }

    /// With this setting.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn set(node: &TestNode, session: &Session, port: u16, setting: Value) -> Result<Self> {
        let below = format!("/instances/m1/ports/{port}");
        let (status, body) = session.request(Method::PUT, &below, Some(setting)).await?;
        ensure!(status == StatusCode::OK, "{status} {body}");
        Self::of(node, &body)
    }

    /// A request by the host form, without a resolver that knows `*.localhost`.
    pub fn by_host(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.site)).header("host", &self.host)
    }

    /// Status and body by the host form.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get_by_host(&self, path: &str) -> Result<(u16, String)> {
        answer(self.by_host(Method::GET, path)).await
    }

    /// Status and body by the path form.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get_by_path(&self, path: &str) -> Result<(u16, String)> {
        answer(self.client.get(format!("{}{path}", self.path_url.trim_end_matches('/')))).await
    }

    /// The secret of its addresses.
    ///
    /// # Errors
    /// When its address has none.
    pub fn token(&self) -> Result<String> {
        Ok(self.path_url.split('/').nth(4).context("no token")?.to_owned())
    }
}

async fn answer(request: RequestBuilder) -> Result<(u16, String)> {
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The events of a session.
#[derive(Debug)]
pub struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    /// Begins to listen.
    ///
    /// # Errors
    /// When they are refused.
    pub async fn of(node: &TestNode, session: &Session) -> Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        let url = format!("{}/api/v1/sessions/{}/events", node.url(), session.id);
        let answer = client.get(url).bearer_auth(&session.token).send().await?;
        ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
        Ok(Self { answer, text: String::new() })
    }

    /// The next event `ports`.
    ///
    /// # Errors
    /// When the stream ends, or none comes in time.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.strip_prefix("event: ports\ndata: ").map(serde_json::from_str);
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return Ok(data?);
                }
                continue;
            }
            match tokio::time::timeout(PATIENCE, self.answer.chunk()).await?? {
                Some(piece) => self.text.push_str(&String::from_utf8_lossy(&piece)),
                None => bail!("the stream of events ended"),
            }
        }
    }
}

/// Waits until the API lists this port of the first instance.
///
/// # Errors
/// When it is not listed in time.
pub async fn listens(session: &Session, port: u16) -> Result<()> {
    let listed = || async {
        let (_, body) = session.request(Method::GET, "", None).await.ok()?;
        let ports = body["instances"][0]["ports"].as_array()?;
        ports.iter().any(|one| one["port"] == port).then_some(())
    };
    until_async("the port to be listed", PATIENCE, listed).await
}

/// Memory that a process has in the machine.
///
/// # Errors
/// When there is no such process.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
