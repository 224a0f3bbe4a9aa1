//! Blobs that end too early, too late, too slowly or elsewhere.

use std::time::{Duration, Instant};

use sandlot_runtime::image::Digest;
use sandlot_server::registry::{Client, Error, Settings, Trust};

use super::ground::{content, name, operator, read, settings};
use super::liar::{Liar, Reply, Seen, Step, open_reply, reply};

const SIZE: usize = 400_000;

/// Pulls the whole blob from a server that answers so.
async fn pull(
    answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
) -> (Result<Vec<u8>, Error>, Vec<Seen>) {
    let liar = Liar::start("127.0.0.1", answer).await;
    let of = name(&format!("{}/a:1", liar.host()));
    let digest = Digest::of(&content(SIZE));
    // In a task of its own, as the server does it.
    let pull = tokio::spawn(async move { read(&operator(), &of, &digest, SIZE as u64, 0).await });
    // The first request asks whether TLS is spoken; that one is no HTTP, and not seen.
    (pull.await.unwrap(), liar.seen())
}

/// Where an open range begins.
fn first(request: &Seen) -> usize {
    let range =
        request.header("range").and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    range.unwrap_or(0)
}

fn partial(from: usize, bytes: &[u8]) -> Reply {
    let range = format!("Content-Range: bytes {from}-{}/{SIZE}\r\n", SIZE - 1);
    let head = format!("HTTP/1.1 206 Partial Content\r\n{range}Content-Length: {}\r\n\r\n", SIZE - from);
    vec![Step::Send([head.as_bytes(), bytes].concat())]
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke() {
    let (result, seen) = pull(|request, turn| {
        let from = first(request);
        let whole = content(SIZE);
        let until = if turn < 3 { from + 50_000 } else { SIZE };
        match from {
            0 => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
                vec![Step::Send([head.as_bytes(), &whole[..until]].concat())]
            }
            _ => partial(from, &whole[from..until]),
        }
    })
    .await;
    assert!(result.unwrap() == content(SIZE));
    assert_eq!(seen.iter().map(first).collect::<Vec<_>>(), [0, 50_000, 100_000, 150_000]);
}

#[tokio::test]
async fn a_registry_that_ignores_ranges_is_skipped_through() {
    let (result, seen) = pull(|_, turn| {
        let whole = content(SIZE);
        let until = if turn == 0 { 123_457 } else { SIZE };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        vec![Step::Send([head.as_bytes(), &whole[..until]].concat())]
    })
    .await;
    assert!(result.unwrap() == content(SIZE));
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn a_registry_that_never_finishes_is_left() {
    let (result, seen) = pull(|request, _| {
        let from = first(request);
        let whole = content(SIZE);
        if from == 0 {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            return vec![Step::Send([head.as_bytes(), &whole[..1]].concat())];
        }
        partial(from, &whole[from..=from])
    })
    .await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    assert!(error.to_string().contains("4 of 400000 bytes"), "{error}");
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn more_than_was_promised_is_cut_off() {
    let (endless, _) = pull(|_, _| open_reply("200 OK", "", vec![Step::Endless(vec![7; 65_536])])).await;
    assert!(matches!(endless, Err(Error::TooLarge { limit: 400_000, .. })), "{endless:?}");
    let (claimed, _) = pull(|_, _| reply("200 OK", "", &content(SIZE + 1))).await;
    assert!(matches!(claimed, Err(Error::TooLarge { .. })));
    let (one_more, _) = pull(|_, _| {
        open_reply(
            "200 OK",
            "",
            vec![Step::Send(content(SIZE)), Step::Drip(vec![1], Duration::from_millis(50))],
        )
    })
    .await;
    assert!(matches!(one_more, Err(Error::TooLarge { .. })));
    let (exact, _) = pull(|_, _| open_reply("200 OK", "", vec![Step::Send(content(SIZE))])).await;
    assert!(exact.unwrap() == content(SIZE));
}

#[tokio::test]
async fn ranges_that_were_not_asked_for_are_refused() {
    let (wrong, _) = pull(|request, _| match first(request) {
        0 => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            vec![Step::Send([head.as_bytes(), &content(SIZE)[..1000]].concat())]
        }
        _ => partial(999, &content(SIZE)[999..]),
    })
    .await;
    assert!(matches!(wrong, Err(Error::Protocol { .. })), "{wrong:?}");
    let (short, _) = pull(|_, _| reply("200 OK", "", b"short")).await;
    assert!(matches!(short, Err(Error::Protocol { .. })), "{short:?}");
    let (unasked, _) = pull(|_, _| partial(0, &content(SIZE))).await;
    assert!(matches!(unasked, Err(Error::Protocol { .. })), "{unasked:?}");
}

#[tokio::test]
async fn a_slow_drip_and_silence_end_in_time() {
    let start = Instant::now();
    let (drip, _) = pull(|_, _| {
        let head = open_reply("200 OK", "", Vec::new());
        [head, vec![Step::Drip(content(SIZE), Duration::from_millis(20))]].concat()
    })
    .await;
    assert!(matches!(drip, Err(Error::TooSlow { .. })), "{drip:?}");
    let (silent, _) = pull(|_, _| open_reply("200 OK", "", vec![Step::Hang])).await;
    assert!(matches!(silent, Err(Error::TooSlow { .. })), "{silent:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_left_for_the_registry() {
    let whole = content(SIZE);
    let served = whole.clone();
    let registry = Liar::start("127.0.0.1", move |request, _| match first(request) {
        0 => reply("200 OK", "", &served),
        from => partial(from, &served[from..]),
    })
    .await;
    let broken = Liar::start("127.0.0.1", |_, _| {
        open_reply("200 OK", "", vec![Step::Send(content(SIZE)[..100_000].to_vec())])
    })
    .await;
    let empty = Liar::start("127.0.0.1", |_, _| reply("404 Not Found", "", b"")).await;
    let mirrors = [&empty, &broken].map(|liar| format!("http://{}/hub", liar.host()).parse().unwrap());
    let of = name(&format!("{}/a:1", registry.host()));
    let settings = Settings { mirrors: [(registry.host(), mirrors.to_vec())].into(), ..settings() };
    let client = Client::new(settings, Trust::Operator).unwrap();
    let digest = Digest::of(&whole);
    assert!(read(&client, &of, &digest, SIZE as u64, 0).await.unwrap() == whole);
    assert!(empty.seen()[0].path.starts_with("/hub/v2/a/blobs/sha256:"));
    assert!(!broken.seen().is_empty());
    assert_eq!(
        registry.seen().iter().filter(|r| r.path.starts_with("/v2/a/")).map(first).collect::<Vec<_>>(),
        [100_000]
    );
}
