//! Ports by URL over our own TLS, with HTTP/2 and HTTP/1.1: what comes in pieces goes in pieces, and nobody is held up or
//! flooded. The apps inside speak HTTP/1.1.

mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, Version};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::authority::Authority;
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::wait::{PATIENCE, until_async};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use sandlot_tests::port::{listens, resident_kib};

/// The start of an app: the path, and the length of the body.
const HEAD: &str = r#"read -r method path version
while read -r line; do case "$line" in content-length:*) n=${line#*: }; n=${n%?};; ?) break;; esac; done
chunk() { printf '%x\r\n' "$1"; printf "$2"; printf '\r\n'; }
begin() { printf 'HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n' "$1"; }
wait_for() { while [ ! -e "/tmp/$1" ]; do sleep 0.02; done; }
"#;
/// gRPC-web (PROTOCOL-WEB.md of gRPC): frames of a kind, a length and content; trailers are the last frame.
const GRPC: &str = r#"case "$path" in
*/Unary) got=$(head -c "$n" | wc -c); begin application/grpc-web+proto
  [ "$got" = 8 ] && chunk 8 '\000\000\000\000\003\377\000y';;
*) head -c "$n" >/dev/null; begin application/grpc-web+proto
  chunk 6 '\000\000\000\000\001a'; wait_for go1; chunk 6 '\000\000\000\000\001b'; wait_for go2;;
esac
chunk 20 '\200\000\000\000\017grpc-status:0\r\n'; printf '0\r\n\r\n'
"#;
const EVENTS: &str = r"begin text/event-stream
chunk 9 'data: 1\n\n'; wait_for go1; chunk 9 'data: 2\n\n'; wait_for go2; chunk 9 'data: 3\n\n'; printf '0\r\n\r\n'
";
/// Takes nothing before it may.
const UPLOAD: &str = r#"wait_for go1; got=$(head -c "$n" | wc -c)
printf 'HTTP/1.1 200 OK\r\ncontent-length: %s\r\nconnection: close\r\n\r\n%s' "${#got}" "$got"
"#;
/// Whatever comes after the head comes back.
const ECHO: &str = r"printf 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'; cat
";
const BOTH: [Version; 2] = [Version::HTTP_2, Version::HTTP_11];

struct Ground {
    node: TestNode,
    authority: Authority,
    session: Session,
    _folder: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Result<Self> {
        let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
        let files = authority.issue(folder.path(), 2)?;
        let path = |path: &std::path::Path| path.display().to_string();
        let options = [
            "--domain".into(),
            "play.example.org".into(),
            "--tls-cert".into(),
            path(&files.certificate),
            "--tls-key".into(),
            path(&files.key),
        ];
        let node = TestNode::with(Options { arguments: options.into(), ..Options::default() })?;
        let session = Api::secure(&node.secure_url(), &authority)?.create("tiny").await?;
        Ok(Self { node, authority, session, _folder: folder })
    }

    /// Starts an app; gives the host of its port.
    async fn app(&self, port: u16, script: &str) -> Result<String> {
        let start = format!(
            "cat >/app{port} <<'END'\n{HEAD}{script}END\n(nc -ll -p {port} -e /bin/sh /app{port}) >/dev/null 2>&1 </dev/null &"
        );
        let (code, said) = self.session.sh(&start).await?;
        ensure!(code == 0, "{said}");
        listens(&self.session, port).await?;
        let below = format!("/instances/m1/ports/{port}");
        let (_, body) = self.session.request(Method::PUT, &below, Some(json!({}))).await?;
        let url = body["url"].as_str().with_context(|| format!("no url: {body}"))?;
        Ok(url.trim_start_matches("https://").trim_end_matches('/').to_owned())
    }

    /// A client of a port that speaks one version.
    fn client(&self, host: &str, version: Version) -> Result<Client> {
        let name = host.split(':').next().unwrap_or_default();
        let address = SocketAddr::from(([127, 0, 0, 1], self.node.address().port()));
        let client = Client::builder().no_proxy().resolve(name, address);
        let client = if version == Version::HTTP_2 { client } else { client.http1_only() };
        Ok(self.authority.trusted_by(client)?.build()?)
    }

    /// Lets the apps go on, or takes that back.
    async fn go(&self, words: &str) -> Result<()> {
        self.session.sh(&format!("cd /tmp && {words}")).await.map(drop)
    }
}

/// The next piece; held back would be for ever, since the app waits for the test.
async fn piece(answer: &mut reqwest::Response) -> Result<Option<Vec<u8>>> {
    let piece = tokio::time::timeout(PATIENCE, answer.chunk()).await.context("a piece is held back")??;
    Ok(piece.map(|piece| piece.to_vec()))
}

/// Both pieces before the last come while the app waits.
async fn comes_in_pieces(ground: &Ground, mut answer: reqwest::Response, pieces: [&[u8]; 3]) -> Result<()> {
    for (go_on, expected) in ["true", "touch go1", "touch go2"].into_iter().zip(pieces) {
        ground.go(go_on).await?;
        assert_eq!(piece(&mut answer).await?.as_deref(), Some(expected));
    }
    // HTTP/2 may end by a frame without content.
    while let Some(rest) = piece(&mut answer).await? {
        assert_eq!(rest, b"");
    }
    ground.go("rm go1 go2").await
}

#[tokio::test]
async fn grpc_web_passes_call_by_call_and_frame_by_frame() -> Result<()> {
    const TRAILERS: &[u8] = b"\x80\0\0\0\x0fgrpc-status:0\r\n";
    let ground = Ground::new().await?;
    let host = ground.app(8080, GRPC).await?;
    for version in BOTH {
        let client = ground.client(&host, version)?;
        let call = |method: &str| {
            let request = client.post(format!("https://{host}/test.Service/{method}"));
            let request =
                request.header("content-type", "application/grpc-web+proto").header("x-grpc-web", "1");
            request.body(&b"\0\0\0\0\x03\xff\0x"[..]).send()
        };
        let unary = call("Unary").await?;
        assert_eq!((unary.version(), unary.status().as_u16()), (version, 200));
        assert_eq!(unary.headers()["content-type"], "application/grpc-web+proto");
        assert_eq!(unary.bytes().await?, [b"\0\0\0\0\x03\xff\0y", TRAILERS].concat());
        let stream = call("Stream").await?;
        comes_in_pieces(&ground, stream, [b"\0\0\0\0\x01a", b"\0\0\0\0\x01b", TRAILERS]).await?;
    }
    ground.session.close().await
}

#[tokio::test]
async fn events_pass_one_by_one() -> Result<()> {
    let ground = Ground::new().await?;
    let host = ground.app(8080, EVENTS).await?;
    for version in BOTH {
        let events = ground.client(&host, version)?.get(format!("https://{host}/")).send().await?;
        assert_eq!(events.version(), version);
        comes_in_pieces(&ground, events, [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]).await?;
    }
    ground.session.close().await
}

#[tokio::test]
async fn who_reads_slowly_holds_the_sender_back_and_costs_little() -> Result<()> {
    const BYTES: usize = 64 << 20;
    /// Buffers of the kernel's at four sockets, and ours.
    const UNDERWAY: usize = 24 << 20;
    let ground = Ground::new().await?;
    let host = ground.app(8080, UPLOAD).await?;
    for version in BOTH {
        let before = resident_kib(ground.node.serve_pid()?)?;
        let client = ground.client(&host, version)?;
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let pieces = futures_util::stream::iter((0..BYTES >> 16).map(move |_| {
            counted.fetch_add(1 << 16, Ordering::Relaxed);
            Ok::<_, std::io::Error>(vec![1_u8; 1 << 16])
        }));
        let upload = client.post(format!("https://{host}/")).header("content-length", BYTES);
        let upload = tokio::spawn(upload.body(reqwest::Body::wrap_stream(pieces)).send());
        let mut last = usize::MAX;
        let stands = || {
            let now = sent.load(Ordering::Relaxed);
            let stands = now > 0 && std::mem::replace(&mut last, now) == now;
            async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                stands.then_some(())
            }
        };
        until_async("the sender to be held back", PATIENCE, stands).await?;
        let underway = sent.load(Ordering::Relaxed);
        ensure!(underway < UNDERWAY, "{version:?}: {underway} bytes went to an app that reads nothing");
        ground.go("touch go1").await?;
        assert_eq!(upload.await??.text().await?, BYTES.to_string());
        ground.go("rm go1").await?;
        let after = resident_kib(ground.node.serve_pid()?)?;
        ensure!(after < before + 8 * 1024, "{version:?}: serve grew from {before} to {after} KiB");
    }
    ground.session.close().await
}

#[tokio::test]
async fn large_answers_pass_over_both_versions() -> Result<()> {
    const BYTES: usize = 64 << 20;
    let ground = Ground::new().await?;
    ground.session.sh("mkdir -p /w; dd if=/dev/zero of=/w/big bs=1M count=64; httpd -p 8080 -h /w").await?;
    listens(&ground.session, 8080).await?;
    let (_, body) = ground.session.request(Method::PUT, "/instances/m1/ports/8080", Some(json!({}))).await?;
    let url = body["url"].as_str().context("no url")?.trim_end_matches('/').to_owned();
    let host = url.trim_start_matches("https://").to_owned();
    for version in BOTH {
        let before = resident_kib(ground.node.serve_pid()?)?;
        let mut answer = ground.client(&host, version)?.get(format!("{url}/big")).send().await?;
        assert_eq!(answer.version(), version);
        // A reader that begins late: what it has not read stays with the sender.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let waiting = resident_kib(ground.node.serve_pid()?)?;
        let mut length = 0;
        while let Some(piece) = piece(&mut answer).await? {
            length += piece.len();
        }
        assert_eq!(length, BYTES);
        ensure!(waiting < before + 8 * 1024, "{version:?}: serve grew from {before} to {waiting} KiB");
    }
    ground.session.close().await
}

/// HTTP/2 has a way for websockets of its own (RFC 8441), which is not announced. Who tries it nevertheless is refused, and
/// keeps the connection; browsers open another one, of HTTP/1.1.
#[tokio::test]
async fn websockets_go_by_http_1_and_not_by_http_2() -> Result<()> {
    let ground = Ground::new().await?;
    let host = ground.app(8080, ECHO).await?;
    let files = ground.app(8081, EVENTS).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], ground.node.address().port()));
    let connect = async |protocol: &str| -> Result<_> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        let name = host.split(':').next().unwrap_or_default().to_owned();
        Ok(ground.authority.connector(&[protocol])?.connect(name.try_into()?, stream).await?)
    };
    let mut second = raw::Connection::begin(connect("h2").await?).await?;
    let connect_head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", host.as_str()),
    ];
    second.request(1, &connect_head).await?;
    ensure!(second.is_refused(1).await?, "an extended CONNECT was taken");
    let get = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", files.as_str())];
    second.request(3, &get).await?;
    ensure!(!second.is_refused(3).await?, "the connection is of no use any more");

    let mut first = connect("http/1.1").await?;
    let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    first.write_all(head.as_bytes()).await?;
    let mut text = vec![0; 4096];
    let count = tokio::time::timeout(PATIENCE, first.read(&mut text)).await??;
    assert!(text[..count].starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&text[..count]));
    first.write_all(b"\x81\x02hi").await?;
    let mut back = [0; 4];
    tokio::time::timeout(PATIENCE, first.read_exact(&mut back)).await??;
    assert_eq!(&back, b"\x81\x02hi");
    ground.session.close().await
}
