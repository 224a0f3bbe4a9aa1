//! The service through its public doors, over the local backend: no root, real sockets, a real database, a real PTY.

mod app;
mod fixture;
mod ports;
mod viewer;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::SinkExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use fixture::Service;
use viewer::Viewer;

const PATIENCE: Duration = Duration::from_secs(30);

fn check_problem((status, body): (StatusCode, Value), expected: u16, slug: &str) {
    assert_eq!(
        (status.as_u16(), body["type"].as_str()),
        (expected, Some(&*format!("urn:sandlot:problem:{slug}"))),
        "{body}"
    );
    assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{body}");
}

#[tokio::test]
async fn a_url_opens_a_shell_and_its_end_is_told() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    assert_eq!(session.body["instances"][0]["name"], "m1");
    let (_, mut viewer) = session.terminal().await?;
    viewer.input("stty -echo; echo hello-$((20+3)); tty\n").await?;
    viewer.expect("hello-23").await?;
    let hello = viewer.control("hello").context("no hello")?;
    assert_eq!((&hello["protocol"], &hello["driver"]), (&json!(1), &json!(true)));
    viewer.input("printf last; exit 7\n").await?;
    assert_eq!(viewer.close_code().await?, 4001);
    assert!(viewer.text().contains("last"));
    assert_eq!(viewer.control("exit").context("no exit")?["code"], 7);
    assert_eq!(viewer.control("exit").context("no exit")?["offset"], viewer.offset());
    let (status, _) = session.send(Method::DELETE, "", Value::Null).await?;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(service.rows("SELECT state, end_reason FROM sessions").await?, "ended|closed");
    assert_eq!(service.rows("SELECT state, exit_code FROM terminals").await?, "ended|7");
    assert_eq!(service.rows("SELECT state FROM instances").await?, "ended");
    service.end().await
}

#[tokio::test]
async fn a_viewer_comes_back_without_losing_a_byte() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, mut viewer) = session.terminal().await?;
    viewer.input("stty -echo -onlcr; printf begin:; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done; printf :end\n").await?;
    viewer.expect("begin:1\n2\n3\n").await?;
    let mut output = viewer.output.clone();
    let mut offset = viewer.offset();
    drop(viewer);
    // Four frames for each viewer: how many viewers that takes is up to the pace of the machine.
    while !ends(&output) {
        let mut again =
            Viewer::connect(&format!("{}&offset={offset}", session.ticket(&terminal).await?)).await?;
        let before = output.len();
        for _ in 0..4 {
            again.step().await?;
            output.truncate(before);
            output.extend_from_slice(&again.output);
            if ends(&output) {
                break;
            }
        }
        offset = offset.max(again.offset());
    }
    let text = String::from_utf8(output)?;
    let counted: String = (1..=20000).map(|i| format!("{i}\n")).collect();
    assert!(text.contains(&format!("begin:{counted}:end")), "bytes were lost or doubled");
    service.end().await
}

fn ends(counted: &[u8]) -> bool {
    let text = String::from_utf8_lossy(counted);
    text.rsplit_once("begin:1\n").is_some_and(|(_, rest)| rest.contains(":end"))
}

#[tokio::test]
async fn two_viewers_see_the_same_and_who_types_drives() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, mut one) = session.terminal().await?;
    let mut two = Viewer::connect(&session.ticket(&terminal).await?).await?;
    one.send(&[0x13, 0, 30, 0, 90]).await?;
    two.send(&[0x13, 0, 40, 0, 132]).await?;
    one.input("stty -echo; stty size\n").await?;
    one.expect("30 90").await?;
    two.input("stty size\n").await?;
    one.expect("40 132").await?;
    two.expect("40 132").await?;
    while one.control("driver").is_none_or(|control| control["driver"] != false) {
        one.step().await?;
    }
    service.end().await
}

#[tokio::test]
async fn execs_have_bounds() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let exec = async |body: Value| session.send(Method::POST, "/instances/m1/exec", body).await;
    let (status, body) =
        exec(json!({"argv": ["sh", "-c", "cat; echo $X >&2; exit 3"], "stdin": "in", "env": {"X": "y"}}))
            .await?;
    assert_eq!(
        (status, &body["exit_code"], &body["stdout"], &body["stderr"]),
        (StatusCode::OK, &json!(3), &json!("in"), &json!("y\n"))
    );
    let (_, body) = exec(json!({"argv": ["sh", "-c", "head -c 400000 /dev/zero | tr '\\0' x"]})).await?;
    assert_eq!(
        (body["stdout"].as_str().map(str::len), &body["stdout_truncated"]),
        (Some(256 * 1024), &json!(true))
    );
    let (_, body) = exec(json!({"argv": ["sleep", "60"], "timeout_ms": 100})).await?;
    assert_eq!(
        (&body["timed_out"], &body["signal"], &body["exit_code"]),
        (&json!(true), &json!(9), &json!(137))
    );
    let (_, body) = exec(json!({"argv": ["sh", "-c", "sleep 60 & echo left"]})).await?;
    assert_eq!((&body["exit_code"], &body["stdout"]), (&json!(0), &json!("left\n")));
    check_problem(exec(json!({"argv": []})).await?, 422, "invalid");
    check_problem(exec(json!({"argv": ["/no/such/program"]})).await?, 422, "invalid");
    check_problem(exec(json!({"argv": ["true"], "timeout_ms": 999_999_999})).await?, 422, "invalid");
    check_problem(exec(json!({"argv": ["x".repeat(20_000)]})).await?, 413, "too-large");
    service.end().await
}

#[tokio::test]
async fn wrong_requests_get_a_sentence_that_helps() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let other = service.session("tiny").await?;
    let post =
        async |path: &str, token: &str, body: Value| service.send(Method::POST, path, token, body).await;
    check_problem(post("/api/v1/sessions", "", json!({"playground": "nope"})).await?, 422, "invalid");
    check_problem(post("/api/v1/sessions", "", json!({"playground": 5})).await?, 422, "invalid");
    check_problem(post("/api/v1/sessions", "", json!({"playgroud": "tiny"})).await?, 422, "invalid");
    check_problem(post("/api/v1/sessions", "", json!("x".repeat(300_000))).await?, 413, "too-large");
    check_problem(post("/api/v1/nothing", "", json!({})).await?, 404, "not-found");
    check_problem(service.send(Method::PUT, "/api/v1/sessions", "", json!({})).await?, 405, "no-such-method");
    check_problem(
        post(&format!("{}/instances/m9/terminals", session.path), &session.token, json!({})).await?,
        404,
        "not-found",
    );
    check_problem(
        post(&format!("{}/instances/m1/terminals", session.path), &session.token, json!({"rows": 0})).await?,
        422,
        "invalid",
    );
    check_problem(
        post(&format!("{}/terminals/t99/tickets", session.path), &session.token, json!({})).await?,
        404,
        "not-found",
    );
    for (path, token) in [(&session.path, &other.token), (&"/api/v1/sessions/xx".to_owned(), &session.token)]
    {
        check_problem(service.send(Method::GET, path, token, Value::Null).await?, 404, "not-found");
    }
    let malformed = service.http.post(format!("{}/api/v1/sessions", service.url)).body("{").send().await?;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    service.end().await
}

#[tokio::test]
async fn garbage_frames_end_their_own_viewer_only() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, mut good) = session.terminal().await?;
    let garbage: [(&[u8], u16); 6] = [
        (b"", 4003),
        (b"\xff?", 4003),
        (b"\x12short", 4003),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff", 4003),
        (b"\x14no json", 4003),
        (&[0x11; 200_000], 1009),
    ];
    for (frame, code) in garbage {
        let mut bad = Viewer::connect(&session.ticket(&terminal).await?).await?;
        bad.send(frame).await?;
        assert_eq!(bad.close_code().await?, code, "{:?}", frame.get(..4));
    }
    let mut bad = Viewer::connect(&session.ticket(&terminal).await?).await?;
    bad.socket.send(Message::text("hello")).await?;
    assert_eq!(bad.close_code().await?, 4003);
    good.input("echo still-$((1+1))\n").await?;
    good.expect("still-2").await?;
    service.end().await
}

#[tokio::test]
async fn upgrades_need_a_fresh_ticket_and_no_foreign_page() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, viewer) = session.terminal().await?;
    let used = session.ticket(&terminal).await?;
    drop(Viewer::connect(&used).await?);
    assert_eq!(refusal(&used, None).await?, 404);
    assert_eq!(refusal(&used.replace("ticket=", "ticket=x"), None).await?, 404);
    let fresh = session.ticket(&terminal).await?;
    assert_eq!(refusal(&fresh, Some("https://evil.example")).await?, 403);
    assert_eq!(refusal(&fresh, Some("null")).await?, 403);
    drop(Viewer::connect(&fresh).await?);
    drop(viewer);
    service.end().await
}

/// The status with which an upgrade is refused.
async fn refusal(url: &str, origin: Option<&str>) -> Result<u16> {
    let mut request = url.into_client_request()?;
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse()?);
    }
    match tokio_tungstenite::connect_async(request).await {
        Err(WsError::Http(response)) => Ok(response.status().as_u16()),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("let in"),
    }
}

#[tokio::test]
async fn a_page_proves_itself_by_cookie_and_origin() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let page = session.body["url"].as_str().context("no url")?;
    let answer = service.http.get(page).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers()["content-security-policy"].to_str()?.starts_with("default-src 'none'"));
    let cookie = answer.headers()["set-cookie"].to_str()?.to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && cookie.starts_with("sandlot_"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let open = format!("{}{}/instances/m1/terminals", service.url, session.path);
    for (origin, expected) in [(None, 403), (Some("https://evil.example"), 403), (Some(&*service.url), 201)] {
        let mut request = service.http.post(&open).header("cookie", cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(request.send().await?.status().as_u16(), expected, "{origin:?}");
    }
    let (_, body) = service.send(Method::DELETE, &session.path, &session.token, Value::Null).await?;
    assert_eq!(body, "");
    assert_eq!(service.http.get(page).send().await?.status(), StatusCode::GONE);
    let unknown = format!("{}/s/aaaaaaaaaaaaaaaaaaaaaaaaaaa", service.url);
    assert_eq!(service.http.get(unknown).send().await?.status(), StatusCode::NOT_FOUND);
    service.end().await
}

#[tokio::test]
async fn quotas_hold_per_address_and_per_node() -> Result<()> {
    let service = Service::start(
        "trusted-proxies = [\"127.0.0.1\"]\n[limits]\nsessions_per_address = 1\nsessions_per_node = 2\n",
    )
    .await?;
    let from = async |client: &str| -> Result<(StatusCode, Option<String>)> {
        let request = service.http.post(format!("{}/api/v1/sessions", service.url));
        let answer = request.header("x-forwarded-for", client).send().await?;
        let wait =
            answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((answer.status(), wait))
    };
    assert_eq!(from("192.0.2.1").await?.0, StatusCode::CREATED);
    let (status, wait) = from("192.0.2.1").await?;
    assert!(status == StatusCode::TOO_MANY_REQUESTS && wait.is_some(), "{status} {wait:?}");
    assert_eq!(from("192.0.2.2").await?.0, StatusCode::CREATED);
    assert_eq!(from("192.0.2.3").await?.0, StatusCode::SERVICE_UNAVAILABLE);
    service.end().await
}

#[tokio::test]
async fn a_session_ends_at_its_time_and_says_so() -> Result<()> {
    let service = Service::start("[playgrounds.brief]\nttl = \"2s\"\nmax_ttl = \"3s\"\n").await?;
    let session = service.session("brief").await?;
    let (_, mut viewer) = session.terminal().await?;
    assert_eq!(viewer.close_code().await?, 4000);
    assert_eq!(viewer.control("expiry").context("no expiry")?["warning"], true);
    assert_eq!(viewer.control("ending").context("no ending")?["reason"], "expired");
    let (status, body) = session.send(Method::GET, "", Value::Null).await?;
    assert_eq!((status, &body["end_reason"]), (StatusCode::OK, &json!("expired")));
    check_problem(session.send(Method::POST, "/extend", json!({})).await?, 410, "session-ended");
    service.end().await
}

#[tokio::test]
async fn the_end_of_serve_tells_viewers_to_come_back() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (_, mut viewer) = session.terminal().await?;
    viewer.expect("").await?;
    service.stop.begin();
    assert_eq!(viewer.close_code().await?, 1012);
    service.end().await
}

#[tokio::test]
async fn health_metrics_and_documents_are_there() -> Result<()> {
    let service = Service::start("").await?;
    service.session("tiny").await?;
    for (path, word) in [
        ("/healthz", "ok"),
        ("/readyz", "ready"),
        ("/metrics", "sandlot_session_starts_total 1"),
        ("/api/v1/openapi.json", "3.1.0"),
        ("/api/v1/playgrounds", "workbench"),
        ("/", "<"),
    ] {
        let answer = service.http.get(format!("{}{path}", service.url)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        assert!(status == StatusCode::OK && text.contains(word), "{path}: {status} {text}");
    }
    service.end().await
}

#[tokio::test]
async fn a_paste_waits_for_a_program_that_does_not_read_yet() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (_, mut viewer) = session.terminal().await?;
    viewer.input("stty raw -echo; printf rea%s: dy; sleep 1; head -c 3000000 | cksum; stty sane\n").await?;
    viewer.expect("ready:").await?;
    let paste: Vec<u8> = (0..3_000_000u32).map(|i| u8::try_from(i % 256).unwrap_or(0)).collect();
    let expected = checksum(&paste).await?;
    for piece in paste.chunks(64 * 1024) {
        viewer.send(&[&[0x11], piece].concat()).await?;
    }
    viewer.expect(&expected).await?;
    service.end().await
}

async fn checksum(bytes: &[u8]) -> Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), bytes)?;
    let output =
        tokio::process::Command::new("cksum").stdin(std::fs::File::open(file.path())?).output().await?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn a_driver_that_acknowledges_nothing_is_let_go() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, mut silent) = session.terminal().await?;
    silent.acknowledges = false;
    silent.input("stty -echo; yes abcdefg | head -c 1000000; printf 'the-%s\\n' end\n").await?;
    let begun = std::time::Instant::now();
    let mut watching = Viewer::connect(&session.ticket(&terminal).await?).await?;
    assert_eq!(silent.close_code().await?, 4004);
    let held = begun.elapsed();
    assert!((9..15).contains(&held.as_secs()), "let go after {held:?}");
    assert!(silent.output.len() <= 128 * 1024, "{} bytes without an acknowledgement", silent.output.len());
    watching.expect("the-end").await?;
    service.end().await
}

#[tokio::test]
async fn what_is_no_longer_kept_comes_as_a_snapshot() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, mut viewer) = session.terminal().await?;
    viewer.input("stty -echo; yes abcdefg | head -c 2000000; printf 'the-%s\\n' end\n").await?;
    viewer.expect("the-end").await?;
    let mut late = Viewer::connect(&format!("{}&offset=5", session.ticket(&terminal).await?)).await?;
    while late.snapshots == 0 {
        late.step().await?;
    }
    assert!(late.text().contains("abcdefg\r\n") && late.text().contains("the-end"));
    late.input("echo goes-$((1+1))-on\n").await?;
    late.expect("goes-2-on").await?;
    assert_eq!(late.offset(), late.position, "the stream goes on at the snapshot's offset");
    service.end().await
}

#[tokio::test]
async fn a_terminal_has_room_for_so_many_viewers() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let (terminal, first) = session.terminal().await?;
    let mut viewers = vec![first];
    for _ in 1..64 {
        viewers.push(Viewer::connect(&session.ticket(&terminal).await?).await?);
    }
    let mut late = Viewer::connect(&session.ticket(&terminal).await?).await?;
    assert_eq!(late.close_code().await?, 4005);
    viewers.pop();
    let mut next = loop {
        let mut next = Viewer::connect(&session.ticket(&terminal).await?).await?;
        if next.step().await? {
            break next;
        }
    };
    next.expect("").await?;
    service.end().await
}
