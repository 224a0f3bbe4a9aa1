//! Manifests that are not what they should be, and lists without an end.

use sandlot_runtime::image::Digest;
use sandlot_server::registry::{Error, MAX_MANIFEST_BYTES};

use super::ground::{MANIFEST, manifest, name, operator};
use super::liar::{Liar, Reply, Step, open_reply, reply};

fn typed(digest: &Digest) -> String {
    format!("Content-Type: {MANIFEST}\r\nDocker-Content-Digest: {digest}\r\n")
}

async fn answer_to_tag(reply: Reply) -> Result<sandlot_server::registry::Fetched, Error> {
    let liar = Liar::start("127.0.0.1", move |_, _| reply.clone()).await;
    operator().manifest(&name(&format!("{}/a:1", liar.host()))).await
}

#[tokio::test]
async fn content_that_its_digest_does_not_prove_is_refused() {
    let right = manifest(b"{}", b"layer", None);
    let other = manifest(b"{}", b"other", None);
    let wrong = answer_to_tag(reply("200 OK", &typed(&Digest::of(&other)), &right)).await.unwrap_err();
    assert!(matches!(wrong, Error::Mismatch { .. }), "{wrong}");
    assert!(answer_to_tag(reply("200 OK", &typed(&Digest::of(&right)), &right)).await.is_ok());

    let headers = typed(&Digest::of(&other));
    let liar = Liar::start("127.0.0.1", move |_, _| reply("200 OK", &headers, &other)).await;
    let asked = name(&format!("{}/a@{}", liar.host(), Digest::of(&right)));
    let wrong = operator().manifest(&asked).await.unwrap_err();
    assert!(
        matches!(&wrong, Error::Mismatch { expected, .. } if **expected == Digest::of(&right)),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_huge_manifest_is_cut_off() {
    let claimed = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_MANIFEST_BYTES + 1);
    let claimed = vec![Step::Send(claimed.into_bytes()), Step::Hang];
    let endless = open_reply("200 OK", "", vec![Step::Endless(vec![b' '; 65_536])]);
    for reply in [claimed, endless] {
        let refused = answer_to_tag(reply).await.unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_refused_with_a_sentence() {
    let old =
        reply("200 OK", "Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n", b"{}");
    let refused = answer_to_tag(old).await.unwrap_err();
    assert!(refused.to_string().contains("schema 1"), "{refused}");
    let page = reply("200 OK", "Content-Type: text/html\r\n", b"<html>log in to the hotel's network</html>");
    let refused = answer_to_tag(page).await.unwrap_err();
    assert!(matches!(refused, Error::Protocol { .. }), "{refused}");
    let deep = reply("200 OK", "", "[".repeat(100_000).as_bytes());
    assert!(matches!(answer_to_tag(deep).await, Err(Error::Protocol { .. })));
    let not_http = vec![Step::Send(b"SSH-2.0-OpenSSH\r\n".to_vec())];
    assert!(matches!(answer_to_tag(not_http).await, Err(Error::Connection { .. })));
    let heads = open_reply("200 OK", "", vec![]);
    let many =
        [vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Endless(b"A: b\r\n".repeat(100))], heads]
            .concat();
    assert!(matches!(answer_to_tag(many).await, Err(Error::Connection { .. })));
}

#[tokio::test]
async fn what_a_registry_says_is_shown_without_control_characters() {
    let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no \u001b[2Jsuch thing"}]}"#;
    let missing = answer_to_tag(reply("404 Not Found", "", body)).await.unwrap_err();
    let text = missing.to_string();
    assert!(
        matches!(missing, Error::NotFound { .. }) && text.contains("MANIFEST_UNKNOWN: no  [2Jsuch"),
        "{text}"
    );
    let endless = open_reply("403 Forbidden", "", vec![Step::Endless(vec![b'x'; 65_536])]);
    assert!(matches!(answer_to_tag(endless).await, Err(Error::Denied { .. })));
}

#[tokio::test]
async fn tags_are_read_page_by_page_and_not_for_ever() {
    let liar = Liar::start("127.0.0.1", |request, turn| {
        let last = turn == 2;
        let link = if last { String::new() } else { format!("Link: <?n=1&last={turn}>; rel=\"next\"\r\n") };
        assert!(turn == 0 || request.path.contains(&format!("last={}", turn - 1)), "{}", request.path);
        reply("200 OK", &link, format!(r#"{{"tags":["t{turn}"]}}"#).as_bytes())
    })
    .await;
    let tags = operator().tags(&name(&format!("{}/a:1", liar.host()))).await.unwrap();
    assert_eq!(tags, ["t0", "t1", "t2"]);

    let endless = Liar::start("127.0.0.1", |_, turn| {
        let link = format!("Link: <?last={turn}>; rel=\"next\"\r\n");
        reply("200 OK", &link, br#"{"tags":["t"]}"#)
    })
    .await;
    let refused = operator().tags(&name(&format!("{}/a:1", endless.host()))).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
}
