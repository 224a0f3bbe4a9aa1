//! Bad input at the public doors: the right status or close code, a sentence that helps, nothing lost.

use anyhow::{Context, Result};
use reqwest::{Method, StatusCode};
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::terminal::Terminal;
use sandlot_tests::wait::PATIENCE;
use serde_json::{Value, json};

/// A problem+json body says what it is and what to do.
fn assert_problem(status: StatusCode, body: &Value, expected: StatusCode) {
    assert_eq!(status, expected, "{body}");
    for field in ["type", "title", "detail"] {
        assert!(
            body.get(field).and_then(Value::as_str).is_some_and(|t| !t.is_empty()),
            "no {field} in {body}"
        );
    }
}

#[tokio::test]
async fn wrong_requests_get_the_right_status() -> Result<()> {
    let node = TestNode::start()?;
    let api = Api::new(&node.url())?;
    let session = api.create("tiny").await?;
    let base = format!("/api/v1/sessions/{}", session.id);
    let token = Some(session.token.as_str());
    let long = "x".repeat(3 * 1024 * 1024);
    let cases = [
        (
            Method::POST,
            "/api/v1/sessions".to_owned(),
            None,
            json!({"playground": "nope"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            Method::POST,
            "/api/v1/sessions".to_owned(),
            None,
            json!({"playground": 5}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            Method::POST,
            "/api/v1/sessions".to_owned(),
            None,
            json!({"playground": long}),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        (Method::GET, base.clone(), None, Value::Null, StatusCode::NOT_FOUND),
        (Method::GET, base.clone(), Some("wrong"), Value::Null, StatusCode::NOT_FOUND),
        (Method::GET, "/api/v1/sessions/unknown".to_owned(), token, Value::Null, StatusCode::NOT_FOUND),
        (Method::POST, format!("{base}/instances/m9/terminals"), token, json!({}), StatusCode::NOT_FOUND),
        (
            Method::POST,
            format!("{base}/instances/m1/exec"),
            token,
            json!({"argv": []}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (Method::PUT, base.clone(), token, Value::Null, StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/api/v1/nothing".to_owned(), None, Value::Null, StatusCode::NOT_FOUND),
    ];
    for (method, path, token, body, expected) in cases {
        let body = (!body.is_null()).then_some(body);
        let (status, answer) =
            api.request(method.clone(), &path, token, body).await.with_context(|| path.clone())?;
        println!("{method} {path}: {status}");
        assert_problem(status, &answer, expected);
    }
    let (status, _) = session.request(Method::GET, "", None).await?;
    assert_eq!(status, StatusCode::OK, "nothing was lost");
    session.close().await
}

#[tokio::test]
async fn garbage_frames_close_only_their_own_viewer() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let mut good = session.terminal().await?;
    for (opcode, payload) in
        [(0xff, &b"?"[..]), (0x12, &b"short"[..]), (0x13, &b"\0"[..]), (0x12, &[0xff; 8][..])]
    {
        let mut bad = session.terminal().await?;
        bad.send(opcode, payload).await?;
        let (code, reason) = bad.closed(PATIENCE).await?;
        assert_eq!(code, 4003, "opcode {opcode:#x}: `{reason}`");
        assert!(!reason.is_empty());
    }
    good.input(b"echo still-$((1+1))\n").await?;
    good.expect("still-2").await?;
    session.close().await
}

#[tokio::test]
async fn tickets_serve_once() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let (_, body) = session.request(Method::POST, "/instances/m1/terminals", Some(json!({}))).await?;
    let url = body.get("ws_url").and_then(Value::as_str).context("no ws_url")?;
    let mut first = Terminal::connect(url).await?;
    first.control("hello").await?;
    assert!(Terminal::connect(url).await.is_err(), "a used ticket was taken again");
    session.close().await
}

#[tokio::test]
async fn a_full_node_says_so() -> Result<()> {
    let config = "[limits]\nsessions_per_address = 2\nsessions_per_node = 3\n";
    let node = TestNode::with(Options { config: config.to_owned(), ..Options::default() })?;
    let api = Api::new(&node.url())?;
    let sessions = [api.create("tiny").await?, api.create("tiny").await?];
    let body = Some(json!({"playground": "tiny"}));
    let (status, answer) = api.request(Method::POST, "/api/v1/sessions", None, body.clone()).await?;
    assert_problem(status, &answer, StatusCode::TOO_MANY_REQUESTS);
    for session in sessions {
        session.close().await?;
    }
    let (status, _) = api.request(Method::POST, "/api/v1/sessions", None, body).await?;
    assert_eq!(status, StatusCode::CREATED, "room again after the end");
    Ok(())
}

#[tokio::test]
async fn a_session_ends_at_its_time() -> Result<()> {
    let config = "[playgrounds.short]\nimage = \"tiny\"\nttl = \"3s\"\n";
    let node = TestNode::with(Options { config: config.to_owned(), ..Options::default() })?;
    let session = Api::new(&node.url())?.create("short").await?;
    let mut terminal = session.terminal().await?;
    terminal.expect("# ").await?;
    let (code, _) = terminal.closed(PATIENCE).await?;
    assert_eq!(code, 4000);
    let ending = terminal.controls.iter().find(|c| c.get("type") == Some(&json!("ending")));
    assert_eq!(ending.and_then(|c| c.get("reason")), Some(&json!("expired")));
    Ok(())
}
