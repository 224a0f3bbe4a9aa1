//! What programs answer that are no servers to be proud of, and clients that do not wait for it.

use anyhow::Result;
use reqwest::{Method, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::TestNode;
use sandlot_tests::wait::{PATIENCE, until_async};
use serde_json::json;

use sandlot_tests::port::{Port, listens};

/// Reads the head of a request, then does the rest.
const AFTER_HEAD: &str = "while read -r line; do case $line in ?) break;; esac; done";

/// A program on a port that runs this line for each connection.
async fn program(session: &Session, port: u16, line: &str) -> Result<()> {
    let script = format!("cat > /program-{port} <<'END'\n{AFTER_HEAD}\n{line}\nEND");
    let start = format!("(nc -ll -p {port} -e /bin/sh /program-{port}) >/dev/null 2>&1 </dev/null &");
    session.sh(&format!("{script}\n{start}")).await?;
    listens(session, port).await
}

#[tokio::test]
async fn an_answer_ends_where_its_head_says() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let broken = Some(StatusCode::BAD_GATEWAY);
    let cases = [
        ("200 OK\\r\\n\\r\\nuntil the end", None, "until the end"),
        ("200 OK\\r\\ncontent-length: 4\\r\\n\\r\\nfour, and what nobody asked for", None, "four"),
        (
            "200 OK\\r\\ncontent-length: 9\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n3\\r\\none\\r\\n0\\r\\n\\r\\n",
            None,
            "one",
        ),
        (
            "100 Continue\\r\\n\\r\\nHTTP/1.1 103 Early Hints\\r\\nlink: </x>\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\n\\r\\nlate",
            None,
            "late",
        ),
        ("204 No Content\\r\\n\\r\\n", Some(StatusCode::NO_CONTENT), ""),
        ("200 OK\\r\\ncontent-length: 4\\r\\ncontent-length: 5\\r\\n\\r\\nfour", broken, ""),
        ("200 OK\\r\\nno header\\r\\n\\r\\n", broken, ""),
        ("99999 OK\\r\\n\\r\\n", broken, ""),
    ];
    for (place, (head, status, body)) in cases.into_iter().enumerate() {
        let number = 8000 + u16::try_from(place)?;
        program(&session, number, &format!("printf 'HTTP/1.1 {head}'")).await?;
        let port = Port::set(&node, &session, number, json!({})).await?;
        for _ in 0..2 {
            let (code, text) = port.get_by_host("/").await?;
            assert_eq!(code, status.unwrap_or(StatusCode::OK).as_u16(), "{head}: {text}");
            assert!(status == broken || text == body, "{head}: {text}");
        }
        let answer = port.by_host(Method::HEAD, "/").send().await?;
        assert_eq!(answer.status(), status.unwrap_or(StatusCode::OK), "{head}");
    }
    session.close().await
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_connection_along() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    program(&session, 80, "exec sleep 1000").await?;
    program(&session, 81, "printf 'HTTP/1.1 200 OK\\r\\n\\r\\nfirst'; exec sleep 1000").await?;
    let silent = Port::set(&node, &session, 80, json!({})).await?;
    let slow = Port::set(&node, &session, 81, json!({})).await?;
    let asking = tokio::spawn(silent.by_host(Method::GET, "/").send());
    let mut answer = slow.by_host(Method::GET, "/").send().await?;
    assert_eq!(answer.chunk().await?.as_deref(), Some(&b"first"[..]));
    let open = |count: &'static str| {
        let session = &session;
        move || async move {
            let line = "netstat -tn | grep -c 'ESTABLISHED'";
            session.sh(line).await.ok().filter(|(_, said)| said.trim() == count)
        }
    };
    until_async("two connections, seen from both ends", PATIENCE, open("4")).await?;
    asking.abort();
    drop(answer);
    until_async("no connection", PATIENCE, open("0")).await?;
    session.close().await
}
