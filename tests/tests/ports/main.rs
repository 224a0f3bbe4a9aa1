//! Ports by URL on real containers: noticed in time, reached by both forms, cut off with their session.

mod answers;
mod connect;
mod crowd;
mod targets;
mod tokens;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use sandlot_tests::api::Api;
use sandlot_tests::node::TestNode;
use sandlot_tests::wait::PATIENCE;
use serde_json::json;

use sandlot_tests::port::{Events, Port, listens, resident_kib};

/// Answers a request with the number of bytes in its body.
const COUNT: &str = r#"while read -r line; do
case "$line" in content-length:*) n=${line#*: }; n=${n%?};; ?) break;; esac; done
got=$(head -c $n | wc -c)
printf 'HTTP/1.1 200 OK\r\ncontent-length: %s\r\nconnection: close\r\n\r\n%s' ${#got} $got"#;
/// A port must be noticed in this time.
const NOTICE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_port_is_noticed_at_once_and_its_links_work() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let mut events = Events::of(&node, &session).await?;
    assert_eq!(events.next().await?, json!({"instance": "m1", "ports": []}));
    let mut times = Vec::new();
    for (port, address) in
        [(8080, "0.0.0.0:8080"), (8081, "127.0.0.1:8081"), (8082, "[::1]:8082"), (8083, "[::]:8083")]
    {
        session.sh(&format!("mkdir -p /w; echo hello-{port} > /w/index.html")).await?;
        let (code, said) = session.sh(&format!("httpd -p {address} -h /w")).await?;
        ensure!(code == 0, "{said}");
        let listens = Instant::now();
        let event = events.next().await?;
        times.push(listens.elapsed());
        let last = event["ports"].as_array().and_then(|ports| ports.last()).context("no port")?.clone();
        assert_eq!((&last["port"], &last["visibility"]), (&json!(port), &json!("link")), "{event}");
        let port = Port::of(&node, &last)?;
        assert_eq!(port.get_by_host("/").await?, (200, format!("hello-{}\n", last["port"])));
        assert_eq!(port.get_by_path("/").await?, (200, format!("hello-{}\n", last["port"])));
    }
    println!("noticed after {times:?}");
    assert!(times.iter().all(|time| *time <= NOTICE), "{times:?}");
    session.sh("killall httpd").await?;
    while events.next().await?["ports"] != json!([]) {}
    let (_, body) = session.request(Method::GET, "", None).await?;
    assert_eq!(body["instances"][0]["ports"], json!([]));
    session.close().await
}

#[tokio::test]
async fn links_outlive_serve_and_end_with_instance_and_session() -> Result<()> {
    let mut node = TestNode::start()?;
    let api = Api::new(&node.url())?;
    let (session, other) = (api.create("tiny").await?, api.create("tiny").await?);
    let start = "mkdir -p /w; echo $(cat /proc/sys/kernel/random/uuid) > /w/index.html; httpd -p 80 -h /w; cat /w/index.html";
    let (_, own) = session.sh(start).await?;
    let port = Port::set(&node, &session, 80, json!({"rewrite_host": true})).await?;
    let foreign = Port::set(&node, &other, 80, json!({})).await?;
    assert_eq!(port.get_by_host("/").await?, (200, own.clone()));
    // The other session's network is another one: nothing listens there.
    assert_eq!(foreign.get_by_host("/").await?.0, 502);

    node.end_serve(Signal::SIGTERM)?;
    node.start_serve()?;
    assert_eq!(port.get_by_host("/").await?, (200, own.clone()));
    node.end_serve(Signal::SIGKILL)?;
    node.start_serve()?;
    assert_eq!(port.get_by_path("/").await?, (200, own));
    let again = Port::set(&node, &session, 80, json!({})).await?;
    assert_eq!((&again.url, &again.body["rewrite_host"]), (&port.url, &json!(true)));
    listens(&session, 80).await?;

    session.request(Method::POST, "/instances/m1/reboot", None).await?;
    let (status, text) = port.get_by_host("/").await?;
    assert!(status == 502 && text.starts_with("Nothing listens"), "{status} {text}");
    session.sh("httpd -p 80 -h /w").await?;
    assert_eq!(port.get_by_host("/").await?.0, 200);
    session.close().await?;
    assert_eq!(port.get_by_host("/").await?.0, 404);
    assert_eq!(port.get_by_path("/").await?.0, 404);
    for secret in [port.token()?, foreign.token()?] {
        assert!(!node.log().contains(&secret), "a token is in the log");
    }
    other.close().await
}

#[tokio::test]
async fn large_bodies_pass_without_being_kept() -> Result<()> {
    const BYTES: u64 = 100 * 1024 * 1024;
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    session.sh("mkdir -p /w; dd if=/dev/zero of=/w/big bs=1M count=100; httpd -p 80 -h /w").await?;
    let script = COUNT.replace('\'', r"'\''");
    session
        .sh(&format!(
            "printf '%s' '{script}' > /count; (nc -ll -p 81 -e /bin/sh /count) >/dev/null 2>&1 </dev/null &"
        ))
        .await?;
    listens(&session, 81).await?;
    let port = Port::set(&node, &session, 80, json!({})).await?;
    let before = resident_kib(node.serve_pid()?)?;
    let mut most = 0;
    let mut answer = port.by_host(Method::GET, "/big").send().await?;
    // A reader that takes its time: what it has not read stays with the sender.
    let mut length = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    while let Some(piece) = answer.chunk().await? {
        length += piece.len() as u64;
        if length % (1 << 16) < 1024 {
            pace.tick().await;
        }
        most = most.max(resident_kib(node.serve_pid()?)?);
    }
    assert_eq!(length, BYTES);
    let count = Port::set(&node, &session, 81, json!({})).await?;
    let pieces =
        futures_util::stream::iter((0..1600).map(|_| Ok::<_, std::io::Error>(vec![1_u8; 64 * 1024])));
    let upload = count.by_host(Method::POST, "/").header("content-length", BYTES);
    let answer = upload.body(reqwest::Body::wrap_stream(pieces)).send().await?;
    assert_eq!((answer.status(), answer.text().await?), (StatusCode::OK, BYTES.to_string()));
    most = most.max(resident_kib(node.serve_pid()?)?);
    println!("serve: {before} KiB before, {most} KiB at most");
    assert!(most < before + 8 * 1024, "serve grew from {before} to {most} KiB");
    session.close().await
}

#[tokio::test]
async fn tunnels_pass_and_end_cleanly_with_serve() -> Result<()> {
    let mut node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    // Whatever comes after the head comes back: enough of a websocket to see that bytes pass.
    let echo = r"while read -r line; do case $line in ?) break;; esac; done
printf 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'; cat";
    session
        .sh(&format!(
            "cat > /echo <<'END'\n{echo}\nEND\n(nc -ll -p 80 -e /bin/sh /echo) >/dev/null 2>&1 </dev/null &"
        ))
        .await?;
    listens(&session, 80).await?;
    let port = Port::set(&node, &session, 80, json!({})).await?;
    let mut stream = tokio::net::TcpStream::connect(node.address()).await?;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let head =
        format!("GET / HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n", port.host);
    stream.write_all(head.as_bytes()).await?;
    let mut text = vec![0; 4096];
    let count = stream.read(&mut text).await?;
    assert!(String::from_utf8_lossy(&text[..count]).starts_with("HTTP/1.1 101 "));
    for part in [&b"one"[..], b"two", &[9; 3000]] {
        stream.write_all(part).await?;
        let mut back = vec![0; part.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await??;
        assert_eq!(back, part);
    }
    let begun = Instant::now();
    node.end_serve(Signal::SIGTERM)?;
    assert_eq!(tokio::time::timeout(PATIENCE, stream.read(&mut text)).await??, 0, "an end, not a break");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    node.start_serve()?;
    session.close().await
}

#[tokio::test]
async fn many_connections_through_batches_of_sockets() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    session.sh("mkdir -p /w; echo hi > /w/index.html; httpd -p 80 -h /w").await?;
    let port = Port::set(&node, &session, 80, json!({})).await?;
    for _ in 0..4 {
        let all = (0..100).map(|_| port.get_by_host("/"));
        for one in futures_util::future::join_all(all).await {
            assert_eq!(one?, (200, "hi\n".to_owned()));
        }
    }
    session.close().await
}
