//! Two apps behind ports, and a listener of the node's that must not be reached.

use std::io::ErrorKind;
use std::net::TcpListener;

use anyhow::{Context, Result, bail, ensure};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::TestNode;
use sandlot_tests::wait::PATIENCE;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use sandlot_tests::port::{Port, listens};

/// Keeps the head of each request, and gives the answer of the moment.
const APP: &str =
    r#"while read -r line; do echo "$line" >>/seen; case "$line" in ?) break;; esac; done; cat /answer"#;

/// Two sessions with an app each, and a listener of the node's that must not be reached.
pub(super) struct Ground {
    pub(super) node: TestNode,
    pub(super) session: Session,
    other: Session,
    pub(super) own_port: Port,
    other_port: Port,
    trap: TcpListener,
}

impl Ground {
    pub(super) async fn new() -> Result<Self> {
        let node = TestNode::start()?;
        let api = Api::new(&node.url())?;
        let (session, other) = (api.create("tiny").await?, api.create("tiny").await?);
        let own_port = app(&node, &session, "own").await?;
        let other_port = app(&node, &other, "other").await?;
        let trap = TcpListener::bind("127.0.0.1:0")?;
        trap.set_nonblocking(true)?;
        Ok(Self { node, session, other, own_port, other_port, trap })
    }

    fn trap_address(&self) -> Result<String> {
        Ok(self.trap.local_addr()?.to_string())
    }

    pub(super) fn is_trapped(&self) -> Result<bool> {
        match self.trap.accept() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => bail!(error),
        }
    }

    /// The texts with the names of this ground in them.
    pub(super) fn fill(&self, text: &str) -> Result<String> {
        let port = |port: u16| port.to_string();
        Ok(text
            .replace("{own}", &self.own_port.host)
            .replace("{other}", &self.other_port.host)
            .replace("{token}", &self.own_port.token()?)
            .replace("{other-token}", &self.other_port.token()?)
            .replace("{trap-port}", &port(self.trap.local_addr()?.port()))
            .replace("{trap}", &self.trap_address()?)
            .replace("{site}", &self.node.address().to_string())
            .replace("{site-port}", &port(self.node.address().port())))
    }

    /// What comes of these bytes on a connection of their own.
    pub(super) async fn exchange(&self, head: &str) -> Result<String> {
        let mut stream = tokio::net::TcpStream::connect(self.node.address()).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        // An end with an error is an end.
        drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.context("no end")?);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Nothing but the own app was reached; the others can be.
    pub(super) async fn end(self) -> Result<()> {
        ensure!(!self.is_trapped()?, "the node's own listener was reached");
        let (_, seen) = self.other.sh("cat /seen 2>/dev/null").await?;
        ensure!(seen.is_empty(), "the other session was reached: {seen}");
        ensure!(self.other_port.get_by_host("/").await? == (200, "other".to_owned()));
        self.session.close().await?;
        self.other.close().await
    }
}

async fn app(node: &TestNode, session: &Session, name: &str) -> Result<Port> {
    let script = APP.replace('\'', r"'\''");
    answer_with(
        session,
        &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{name}", name.len()),
    )
    .await?;
    let start =
        format!("printf '%s' '{script}' >/app; (nc -ll -p 80 -e /bin/sh /app) >/dev/null 2>&1 </dev/null &");
    let (code, text) = session.sh(&start).await?;
    ensure!(code == 0, "{text}");
    listens(session, 80).await?;
    Port::set(node, session, 80, json!({})).await
}

/// What the app of the session answers from now on.
pub(super) async fn answer_with(session: &Session, answer: &str) -> Result<()> {
    let (code, text) = session.sh(&format!("cat >/answer <<'END'\n{answer}\nEND")).await?;
    ensure!(code == 0, "{text}");
    Ok(())
}
