//! Whatever a request or an app's answer names: the proxy connects to the instance of the token and to nothing else, and
//! follows nothing.

mod ground;

use anyhow::{Result, ensure};
use reqwest::Method;

use ground::{Ground, answer_with};

/// Where an app sends its visitors.
const LOCATIONS: &[&str] = &[
    "http://{trap}/",
    "//{trap}/",
    r"/\{trap}/",
    r"\\{trap}/",
    "http:{trap}/",
    "http://localhost:80//{trap}/",
    "http://[::ffff:127.0.0.1]:{trap-port}/",
    "http://2130706433:{trap-port}/",
    "http://{site}/healthz",
    "http://{site}/port/{other-token}/80/",
    "http://{other}/",
    "/port/{other-token}/80/",
    "../../{other-token}/80/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.99.0.1:53/",
];

#[tokio::test]
async fn redirects_are_the_browsers_affair() -> Result<()> {
    let ground = Ground::new().await?;
    for (number, location) in LOCATIONS.iter().enumerate() {
        let status = [301, 302, 303, 307, 308][number % 5];
        let location = ground.fill(location)?;
        answer_with(&ground.session, &format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\nrefresh: 0; url={location}\r\ncontent-location: {location}\r\ncontent-length: 3\r\nconnection: close\r\n\r\nown"
        )).await?;
        let own = (status, "own".to_owned());
        ensure!(ground.own_port.get_by_host("/").await? == own, "{location}");
        ensure!(ground.own_port.get_by_path("/").await? == own, "{location}");
        let posted = ground.own_port.by_host(Method::POST, "/").body("x").send().await?;
        ensure!(posted.status().as_u16() == status, "{location}: {}", posted.status());
    }
    ensure!(!ground.is_trapped()?, "a redirect was followed");
    // Whoever follows gets there.
    let location =
        ground.fill("HTTP/1.1 302 Moved\r\nlocation: http://{trap}/\r\ncontent-length: 0\r\n\r\n")?;
    answer_with(&ground.session, &location).await?;
    let client =
        reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_millis(500)).build()?;
    let followed = client.get(ground.node.url()).header("host", &ground.own_port.host).send().await;
    ensure!(followed.is_err() && ground.is_trapped()?, "not even who follows gets there");
    ground.end().await
}

/// Requests, and whether the own app answers.
const REQUESTS: &[(&str, bool)] = &[
    // Whole addresses and other words than paths.
    ("GET http://{trap}/ HTTP/1.1\r\nhost: {own}", false),
    ("GET http://{trap}/ HTTP/1.1\r\nhost: {trap}", false),
    ("GET https://{trap}/ HTTP/1.1\r\nhost: {own}", false),
    ("GET http://{own}/ HTTP/1.1\r\nhost: {trap}", true),
    ("GET http://{own}/ HTTP/1.1\r\nhost: {other}", true),
    ("GET http://user@{own}/ HTTP/1.1\r\nhost: {other}", false),
    ("CONNECT {trap} HTTP/1.1\r\nhost: {trap}", false),
    ("CONNECT {trap} HTTP/1.1\r\nhost: {own}", false),
    ("CONNECT {own} HTTP/1.1\r\nhost: {own}", false),
    ("OPTIONS * HTTP/1.1\r\nhost: {own}", true),
    // What others believe instead of the host.
    ("GET / HTTP/1.1\r\nhost: {own}\r\nx-forwarded-host: {other}\r\nx-forwarded-port: {trap-port}", true),
    (
        "GET / HTTP/1.1\r\nhost: {own}\r\nforwarded: host={trap}\r\nx-host: {trap}\r\nx-real-ip: 127.0.0.1",
        true,
    ),
    (
        "GET / HTTP/1.1\r\nhost: {own}\r\nx-original-url: http://{trap}/\r\nx-rewrite-url: /port/{other-token}/80/",
        true,
    ),
    ("GET / HTTP/1.1\r\nhost: {site}\r\nx-forwarded-host: {own}", false),
    // Other ways to write a host.
    ("GET / HTTP/1.1\r\nhost: 80-{token}.localhost:{trap-port}", true),
    ("GET / HTTP/1.1\r\nhost: 65616-{token}.localhost", false),
    ("GET / HTTP/1.1\r\nhost: 80-{token}.80-{other-token}.localhost", false),
    ("GET / HTTP/1.1\r\nhost: 80-{token}@{trap}", false),
    ("GET / HTTP/1.1\r\nhost: 80-{token}.localhost.example", false),
    // Protocols to go on with.
    ("GET / HTTP/1.1\r\nhost: {own}\r\nconnection: close, upgrade\r\nupgrade: tcp/{trap}", true),
    (
        "GET / HTTP/1.1\r\nhost: {own}\r\nconnection: close, upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA",
        true,
    ),
    ("PRI * HTTP/2.0\r\nhost: {own}", false),
    // The path form.
    ("GET /port/{token}/80/..%2f..%2f{other-token}/80/ HTTP/1.1\r\nhost: {site}", true),
    ("GET /port/{token}/80/../../{other-token}/80/ HTTP/1.1\r\nhost: {site}", true),
    ("GET /port/{token}/80//{trap}/ HTTP/1.1\r\nhost: {site}", true),
    ("GET /port/{token}/80/http://{trap}/ HTTP/1.1\r\nhost: {site}", true),
    ("GET /port/{token}/80@{trap}/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /port/{token}/80:{trap-port}/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /port/{token}/65616/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /port/{token}/080/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /port/{token}/%38%30/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /port/{token}%2f80/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /port/{token}/0/ HTTP/1.1\r\nhost: {site}", false),
    ("GET /x/../port/{token}/80/ HTTP/1.1\r\nhost: {site}", false),
    ("GET //port/{token}/80/ HTTP/1.1\r\nhost: {site}", false),
];

#[tokio::test]
async fn no_request_names_another_target() -> Result<()> {
    let ground = Ground::new().await?;
    let mut failures = Vec::new();
    for (request, reaches_own) in REQUESTS {
        let head = ground.fill(request)?;
        let connection = if head.contains("connection:") { "" } else { "\r\nconnection: close" };
        let answer = ground.exchange(&format!("{head}{connection}\r\n\r\n")).await?;
        let is_own = answer.starts_with("HTTP/1.1 200") && answer.ends_with("own");
        if is_own != *reaches_own || ground.is_trapped()? {
            failures.push(format!("{head}:\n{answer}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    no_tunnel_that_nobody_asked_for(&ground).await?;
    ground.end().await
}

/// Neither by the client's own words nor by the app's.
async fn no_tunnel_that_nobody_asked_for(ground: &Ground) -> Result<()> {
    let connect = ground.fill("CONNECT {own} HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n")?;
    let answer = ground.exchange(&connect).await?;
    ensure!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    let (_, seen) = ground.session.sh("grep CONNECT /seen").await?;
    ensure!(seen.is_empty(), "the app was told of it: {seen}");
    answer_with(
        &ground.session,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nown",
    )
    .await?;
    let answer =
        ground.exchange(&ground.fill("GET / HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n")?).await?;
    ensure!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    Ok(())
}
