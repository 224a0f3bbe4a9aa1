//! Tries: what is tried again, when, and what never.

use std::time::{Duration, Instant};

use sandlot_server::registry::Error;

use super::ground::{name, operator};
use super::liar::{Liar, Reply, Seen, Step, reply};

const GOOD: &[u8] = br#"{"tags":["a"]}"#;

/// Asks for tags of a server that answers so.
async fn ask(
    answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
) -> (Result<Vec<String>, Error>, usize) {
    let liar = Liar::start("127.0.0.1", answer).await;
    let result = operator().tags(&name(&format!("{}/a:1", liar.host()))).await;
    (result, liar.seen().len())
}

#[tokio::test]
async fn a_failing_registry_is_asked_again() {
    let failures = [
        "500 Internal Server Error",
        "503 Service Unavailable",
        "408 Request Timeout",
        "429 Too Many Requests",
    ];
    for status in failures {
        let (result, times) =
            ask(move |_, turn| if turn < 2 { reply(status, "", b"") } else { reply("200 OK", "", GOOD) })
                .await;
        assert_eq!((result.unwrap(), times), (vec!["a".to_owned()], 3), "{status}");
    }
    let (result, times) =
        ask(|_, turn| if turn < 2 { vec![Step::Read(0)] } else { reply("200 OK", "", GOOD) }).await;
    assert_eq!((result.unwrap().len(), times), (1, 3));
    let (result, times) = ask(|_, _| reply("502 Bad Gateway", "", b"<html>")).await;
    assert!(matches!(result, Err(Error::Failing { status: 502, .. })), "{result:?}");
    assert_eq!(times, 3);
}

#[tokio::test]
async fn what_will_not_change_is_asked_once() {
    for status in
        ["401 Unauthorized", "403 Forbidden", "404 Not Found", "400 Bad Request", "304 Not Modified"]
    {
        let (result, times) = ask(move |_, _| reply(status, "", b"")).await;
        assert!(result.is_err());
        assert_eq!(times, 1, "{status}");
    }
}

#[tokio::test]
async fn the_registry_says_when_to_come_back() {
    let start = Instant::now();
    let wait = "Retry-After: 1\r\n";
    let (result, _) =
        ask(
            move |_, turn| {
                if turn == 0 { reply("429 Too Many Requests", wait, b"") } else { reply("200 OK", "", GOOD) }
            },
        )
        .await;
    result.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let words =
        br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
    let (result, times) =
        ask(move |_, _| reply("429 Too Many Requests", "Retry-After: 3600\r\n", words)).await;
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 3600),
        "{error}"
    );
    assert!(error.to_string().contains("pull rate limit") && error.to_string().contains("3600 s"), "{error}");
    assert_eq!(times, 1);
}

#[tokio::test]
async fn a_token_server_that_gives_nothing_is_named() {
    for body in ["{}", "", r#"{"token":"a\u0000b"}"#] {
        let tokens = Liar::start("127.0.0.1", move |_, _| reply("200 OK", "", body.as_bytes())).await;
        let header = format!("WWW-Authenticate: Bearer realm=\"http://{}/t\"\r\n", tokens.host());
        let (result, _) = ask(move |_, _| reply("401 Unauthorized", &header, b"")).await;
        assert!(matches!(result, Err(Error::Protocol { .. })), "{result:?}");
    }
    for realm in ["", "realm=\"nonsense\"", "realm=\"ftp://127.0.0.1/\""] {
        let header = format!("WWW-Authenticate: Bearer {realm}\r\n");
        let (result, _) = ask(move |_, _| reply("401 Unauthorized", &header, b"")).await;
        assert!(matches!(result, Err(Error::Protocol { .. } | Error::Plain { .. })), "{realm}: {result:?}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_and_no_such_host_are_told_apart() {
    let closed = Liar::start("127.0.0.1", |_, _| Vec::new()).await.host();
    let refused = operator().tags(&name(&format!("{closed}/a:1"))).await.unwrap_err();
    assert!(matches!(refused, Error::Connection { .. }), "{refused}");
    assert!(refused.to_string().contains("refused"), "{refused}");
}
