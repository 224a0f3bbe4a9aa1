//! The examples of `deploy/examples`, as they are shipped, before a real node: nginx and Caddy of Debian.

mod front;
mod upstream;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use sandlot_tests::api::Api;
use sandlot_tests::authority::Authority;
use sandlot_tests::node::{Options, TestNode};
use serde_json::json;

use front::{Front, Kind, Ports};
use upstream::Upstream;

/// Loopback addresses that are no proxy's, so that they are clients of their own.
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const OTHER_CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3));

fn node(config: &str) -> Result<TestNode> {
    TestNode::with(Options {
        config: format!("trusted-proxies = [\"127.0.0.1\"]\n{config}"),
        ..Options::default()
    })
}

async fn create(api: &Api) -> Result<StatusCode> {
    let body = json!({ "playground": "tiny" });
    Ok(api.request(Method::POST, "/api/v1/sessions", None, Some(body)).await?.0)
}

/// Everything that the site does, with the settings that the example's comments name.
async fn the_site_works(kind: Kind) -> Result<()> {
    let (authority, ports) = (Authority::new()?, Ports::reserve()?);
    let url = ports.url();
    let node = node(&format!("public-url = \"{url}\"\n[limits]\nsessions_per_address = 1\n"))?;
    let front = Front::start(kind, &authority, ports, node.address())?;
    let api = Api::secure_from(&url, &authority, CLIENT)?;

    let page = api.http().get(&url).send().await?;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers().contains_key("strict-transport-security"));
    assert!(page.text().await?.contains("<title>"));
    let session = api.create("tiny").await?;
    assert!(session.url.starts_with(&url), "{}", session.url);
    let page = api.http().get(&session.url).send().await?;
    let cookie = page.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
    ensure!(cookie.starts_with("__Host-sandlot_") && cookie.ends_with("; Secure"), "{cookie}");
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;

    assert_eq!(create(&api).await?, StatusCode::TOO_MANY_REQUESTS);
    let invented = api.http().post(format!("{url}/api/v1/sessions")).header("x-forwarded-for", "192.0.2.7");
    let answer = invented.json(&json!({ "playground": "tiny" })).send().await?;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "an invented address counted");
    let other = Api::secure_from(&url, &authority, OTHER_CLIENT)?;
    other.create("tiny").await?.close().await?;
    session.close().await?;
    front.end()
}

/// Without a public URL: what a trusted proxy says of the scheme and the host counts, what others say does not.
async fn the_forwarded_scheme_counts(kind: Kind) -> Result<()> {
    let (authority, ports) = (Authority::new()?, Ports::reserve()?);
    let url = ports.url();
    let node = node("")?;
    let front = Front::start(kind, &authority, ports, node.address())?;
    let session = Api::secure(&url, &authority)?.create("tiny").await?;
    assert!(session.url.starts_with(&url), "{}", session.url);
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    session.close().await?;

    let stranger = reqwest::Client::builder().no_proxy().local_address(CLIENT).build()?;
    let request = stranger.post(format!("{}/api/v1/sessions", node.url()));
    let request = request.header("x-forwarded-proto", "https").header("x-forwarded-host", "evil.example");
    let answer = request.json(&json!({ "playground": "tiny" })).send().await?;
    let cookie = answer.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
    ensure!(cookie.starts_with("sandlot_") && !cookie.contains("Secure"), "{cookie}");
    let body: serde_json::Value = answer.json().await?;
    let said = body.get("url").and_then(serde_json::Value::as_str).context("no url")?;
    assert!(said.starts_with(&node.url()), "{said}");
    front.end()
}

/// Held back would be for ever: what was sent waits for what was received.
async fn in_time<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(Duration::from_secs(10), work)
        .await
        .with_context(|| format!("{what} is held back"))?
}

/// What goes through the front goes as it comes, in both directions, for every name.
async fn nothing_is_held_back(kind: Kind) -> Result<()> {
    let (authority, ports) = (Authority::new()?, Ports::reserve()?);
    let (url, port_url) = (ports.url(), ports.url().replace("https://", "https://8080-secret."));
    let plain_url = ports.plain_url();
    let upstream = Upstream::start().await?;
    let front = Front::start(kind, &authority, ports, upstream.address)?;

    let api = Api::secure_from(&port_url, &authority, CLIENT)?;
    let head = api.http().get(format!("{port_url}/head")).send().await?.text().await?.to_lowercase();
    let host = port_url.trim_start_matches("https://");
    let host = format!("host: {host}");
    for line in [host.as_str(), "x-forwarded-proto: https", "x-forwarded-for: 127.0.0.2"] {
        ensure!(head.lines().any(|given| given == line), "no `{line}` in:\n{head}");
    }

    let api = Api::secure(&url, &authority)?;
    in_time("the first event", async {
        let mut events = api.http().get(format!("{url}/events")).send().await?;
        assert_eq!(events.chunk().await?.as_deref(), Some(&b"data: 1\n\n"[..]));
        upstream.go_on.notify_one();
        assert_eq!(events.chunk().await?.as_deref(), Some(&b"data: 2\n\n"[..]));
        Ok(())
    })
    .await?;
    let received = in_time("the upload", upstream.upload(&api, &url)).await?;
    assert_eq!(received, (10 << 20).to_string());

    let moved = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let answer = moved.get(format!("{plain_url}/s/x")).header("host", "play.example.org").send().await?;
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    front.end()
}

#[tokio::test]
async fn the_site_works_behind_nginx() -> Result<()> {
    the_site_works(Kind::Nginx).await
}

#[tokio::test]
async fn the_site_works_behind_caddy() -> Result<()> {
    the_site_works(Kind::Caddy).await
}

#[tokio::test]
async fn nginx_says_the_scheme_and_the_host() -> Result<()> {
    the_forwarded_scheme_counts(Kind::Nginx).await
}

#[tokio::test]
async fn caddy_says_the_scheme_and_the_host() -> Result<()> {
    the_forwarded_scheme_counts(Kind::Caddy).await
}

#[tokio::test]
async fn nginx_holds_nothing_back() -> Result<()> {
    nothing_is_held_back(Kind::Nginx).await
}

#[tokio::test]
async fn caddy_holds_nothing_back() -> Result<()> {
    nothing_is_held_back(Kind::Caddy).await
}
