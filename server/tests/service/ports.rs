//! Ports by URL over the local backend, where the ports of an instance are those of this machine.

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::app::App;
use super::fixture::{Service, Session};
use super::{PATIENCE, check_problem};

/// A port of a session, and a client that reaches it by both forms.
struct Port {
    client: Client,
    site: String,
    host: String,
    path: String,
}

impl Port {
    async fn of(session: &Session<'_>, port: u16, setting: Value) -> Result<Self> {
        let below = format!("/instances/m1/ports/{port}");
        let (status, body) = session.send(Method::PUT, &below, setting).await?;
        ensure!(status == StatusCode::OK, "{status} {body}");
        ensure!(body["port"] == port, "{body}");
        let text = |name: &str| body[name].as_str().map(str::to_owned).context(format!("no {name}"));
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let url = text("url")?;
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let path_url = text("path_url")?;
        let site = session.service.url.clone();
        let path = path_url.strip_prefix(&site).context("another site")?.trim_end_matches('/').to_owned();
        Ok(Self { client, site, host, path })
    }

    /// A request by the host form; names below localhost need no DNS, and here no resolver either.
    fn by_host(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.site)).header("host", &self.host)
    }

    fn by_path(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{}{path}", self.site, self.path))
    }
}

async fn text(request: RequestBuilder) -> Result<String> {
    let answer = request.send().await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    Ok(answer.text().await?)
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn an_app_is_reached_by_host_and_by_path_and_sees_who_asks() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({})).await?;
    let forged = |request: RequestBuilder| {
        let request = request.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-proto", "https");
        let request = request.header("forwarded", "for=203.0.113.9").header("connection", "x-secret");
        request.header("x-secret", "1").header("te", "trailers").header("cookie", "a=1; sandlot_x=2")
    };
    let seen = text(forged(port.by_host(Method::GET, "/a?b=c"))).await?;
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\n"), "{seen}");
    let host = port.host.as_str();
    for line in
        [&*format!("host: {host}"), "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "cookie: a=1"]
    {
        assert!(seen.contains(&format!("\n{line}\n")), "no {line} in {seen}");
    }
    for gone in ["203.0.113.9", "x-secret", "te:", "sandlot_", "x-forwarded-prefix", "\nforwarded:"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    let seen = text(
        port.by_path(Method::GET, "/a/b?c=d").header("referer", format!("{}{}/x?y", port.site, port.path)),
    )
    .await?;
    assert!(seen.starts_with("GET /a/b?c=d HTTP/1.1\n"), "{seen}");
    assert!(seen.contains(&format!("x-forwarded-prefix: {}\n", port.path)), "{seen}");
    assert!(seen.contains(&format!("referer: {}/x?y\n", port.site)), "{seen}");
    let seen =
        text(port.by_path(Method::GET, "/").header("referer", format!("{}/s/secret", port.site))).await?;
    assert!(!seen.contains("secret"), "{seen}");
    let bare = port.by_path(Method::GET, "").send().await?;
    assert_eq!(
        (bare.status(), header(&bare, "location")),
        (StatusCode::PERMANENT_REDIRECT, &*format!("{}/", port.path))
    );
    let answer = port.by_path(Method::GET, "/").send().await?;
    assert!(header(&answer, "content-security-policy").starts_with("sandbox allow-scripts"), "{answer:?}");
    assert!(port.by_host(Method::GET, "/").send().await?.headers().get("content-security-policy").is_none());
    service.end().await
}

#[tokio::test]
async fn an_app_that_wants_it_is_told_to_be_on_localhost() -> Result<()> {
    let service = Service::start("[playgrounds.dev]\nimage = \"tiny\"\nrewrite_host = true\n").await?;
    let session = service.session("dev").await?;
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({})).await?;
    let (own, local) = (format!("http://{}", port.host), format!("localhost:{}", app.port));
    let seen =
        text(port.by_host(Method::GET, "/").header("origin", &own).header("referer", format!("{own}/x")))
            .await?;
    for line in
        [format!("host: {local}"), format!("origin: http://{local}"), format!("referer: http://{local}/x")]
    {
        assert!(seen.contains(&format!("\n{line}\n")), "no {line} in {seen}");
    }
    let seen = text(port.by_host(Method::GET, "/").header("origin", "https://evil.example")).await?;
    assert!(seen.contains("\norigin: https://evil.example\n"), "{seen}");
    let moved = port.by_host(Method::GET, "/moved").send().await?;
    assert_eq!(header(&moved, "location"), "/there");
    let port = Port::of(&session, app.port, json!({"rewrite_host": false})).await?;
    let seen = text(port.by_host(Method::GET, "/")).await?;
    assert!(seen.contains(&format!("\nhost: {}\n", port.host)), "{seen}");
    service.end().await
}

#[tokio::test]
async fn what_an_app_says_is_bound_to_its_own_address() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({})).await?;
    for (answer, cookie, policy) in [
        (port.by_host(Method::GET, "/cookies").send().await?, "theirs=1; Path=/app".to_owned(), "max-age=1"),
        (
            port.by_path(Method::GET, "/cookies").send().await?,
            format!("theirs=1; Path={}/app", port.path),
            "",
        ),
    ] {
        let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, [cookie.as_str()]);
        assert_eq!(header(&answer, "strict-transport-security"), policy);
        for gone in ["clear-site-data", "alt-svc", "x-hop"] {
            assert!(answer.headers().get(gone).is_none(), "{gone}");
        }
    }
    let moved = port.by_path(Method::GET, "/moved").send().await?;
    assert_eq!(moved.headers()[LOCATION], format!("{}/there", port.path));
    service.end().await
}

#[tokio::test]
async fn addresses_that_are_none_all_get_the_same_answer() -> Result<()> {
    let service = Service::start("").await?;
    let (session, other) = (service.session("tiny").await?, service.session("tiny").await?);
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({})).await?;
    let gone = Port::of(&other, app.port, json!({})).await?;
    assert_eq!(gone.by_host(Method::GET, "/").send().await?.status(), StatusCode::OK);
    other.send(Method::DELETE, "", Value::Null).await?;
    let token = port.path.split('/').nth(2).context("no token")?.to_owned();
    let wrong = token.replace(token.chars().last().unwrap_or('a'), "b");
    let mut answers = Vec::new();
    for host in [
        gone.host.clone(),
        format!("{}-{wrong}.localhost", app.port),
        format!("{}-short.localhost", app.port),
        format!("0-{token}.localhost"),
        format!("99999-{token}.localhost"),
    ] {
        answers.push(port.client.get(&port.site).header("host", host).send().await?);
    }
    for path in [
        format!("/port/{wrong}/80/"),
        "/port/x/80/".into(),
        "/port//".into(),
        format!("/port/{token}/x/"),
        gone.path.clone(),
    ] {
        answers.push(port.client.get(format!("{}{path}", port.site)).send().await?);
    }
    let mut texts = std::collections::BTreeSet::new();
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let mut headers: HeaderMap = answer.headers().clone();
        headers.remove("date");
        texts.insert(format!("{headers:?} {}", answer.text().await?));
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    service.end().await
}

#[tokio::test]
async fn errors_say_what_to_do() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let silent = Port::of(&session, 9, json!({})).await?;
    let page = silent.by_host(Method::GET, "/").header("accept", "text/html").send().await?;
    assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
    let page = page.text().await?;
    assert!(page.contains("port 9 yet") && page.contains("http-equiv=\"refresh\""), "{page}");
    let text = silent.by_path(Method::GET, "/").send().await?.text().await?;
    assert!(text.starts_with("Nothing listens on this port"), "{text}");
    let app = App::start().await?;
    let closed = Port::of(&session, app.port, json!({"visibility": "closed"})).await?;
    assert_eq!(closed.by_host(Method::GET, "/").send().await?.status(), StatusCode::FORBIDDEN);
    let open = Port::of(&session, app.port, json!({"visibility": "link"})).await?;
    let worker = open.by_path(Method::GET, "/sw.js").header("service-worker", "script").send().await?;
    assert!(worker.text().await?.contains("address of its own"));
    let lost = service.http.get(format!("{}/about", service.url)).header("sec-fetch-site", "cross-site");
    assert!(lost.send().await?.text().await?.contains("an address of its own"));
    let put = async |path: &str, body: Value| session.send(Method::PUT, path, body).await;
    check_problem(put("/instances/m1/ports/80", json!({"visibility": "all"})).await?, 422, "invalid");
    check_problem(put("/instances/m9/ports/80", json!({})).await?, 404, "not-found");
    for port in ["0", "70000", "x"] {
        check_problem(put(&format!("/instances/m1/ports/{port}"), json!({})).await?, 404, "not-found");
    }
    service.end().await
}

#[tokio::test]
async fn bodies_stream_both_ways_at_the_readers_pace() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({})).await?;
    let mut big = port.by_host(Method::GET, "/big").send().await?;
    let mut length = 0;
    while let Some(piece) = big.chunk().await? {
        length += piece.len();
    }
    assert_eq!(length, 1600 * 64 * 1024);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let back = port.by_path(Method::POST, "/echo").body(sent.clone()).send().await?.bytes().await?;
    assert!(back == sent, "another body came back");
    let mut events = port.by_host(Method::GET, "/events").send().await?;
    let first = tokio::time::timeout(PATIENCE, events.chunk()).await??;
    assert_eq!(first.as_deref(), Some(&b"data: first\n\n"[..]));
    drop(events);
    for _ in 0..20 {
        assert_eq!(text(port.by_host(Method::GET, "/close")).await?, "bye");
        assert!(text(port.by_path(Method::HEAD, "/")).await?.is_empty());
        assert!(text(port.by_host(Method::GET, "/")).await?.starts_with("GET / "));
    }
    service.end().await
}

#[tokio::test]
async fn websockets_pass_and_end_with_the_session() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({})).await?;
    let site = port.site.replace("http:", "ws:");
    let mut by_host = format!("{site}/ws").into_client_request()?;
    by_host.headers_mut().insert("host", HeaderValue::from_str(&port.host)?);
    let by_path = format!("{site}{}/ws", port.path).into_client_request()?;
    let mut sockets = Vec::new();
    for request in [by_host, by_path] {
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        socket.send(Message::text("hello")).await?;
        assert_eq!(socket.next().await.context("closed")??, Message::text("hello"));
        let long = Message::binary(vec![5; 1_000_000]);
        socket.send(long.clone()).await?;
        assert_eq!(socket.next().await.context("closed")??, long);
        sockets.push(socket);
    }
    session.send(Method::DELETE, "", Value::Null).await?;
    for mut socket in sockets {
        let last = tokio::time::timeout(PATIENCE, socket.next()).await?;
        assert!(!matches!(last, Some(Ok(_))), "{last:?}");
    }
    service.end().await
}

#[tokio::test]
async fn the_api_is_closed_to_pages_of_apps() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let page = service.http.get(session.body["url"].as_str().context("no url")?).send().await?;
    let cookie = header(&page, "set-cookie").split(';').next().unwrap_or_default().to_owned();
    let url = format!("{}{}", service.url, session.path);
    for (name, value) in
        [("origin", "null"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
    {
        for (method, path) in [
            (Method::GET, url.clone()),
            (Method::GET, format!("{url}/events")),
            (Method::DELETE, url.clone()),
        ] {
            let request =
                service.http.request(method.clone(), &path).header("cookie", &cookie).header(name, value);
            assert_eq!(
                request.send().await?.status(),
                StatusCode::FORBIDDEN,
                "{method} {path} {name}: {value}"
            );
        }
    }
    let own = service.http.get(&url).header("cookie", &cookie).header("sec-fetch-site", "same-origin");
    assert_eq!(own.send().await?.status(), StatusCode::OK);
    service.end().await
}

#[tokio::test]
async fn a_private_port_opens_to_the_sessions_owner_only() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    let app = App::start().await?;
    let port = Port::of(&session, app.port, json!({"visibility": "private"})).await?;
    let page = service.http.get(session.body["url"].as_str().context("no url")?).send().await?;
    let cookie = header(&page, "set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert_eq!(port.by_host(Method::GET, "/").send().await?.status(), StatusCode::FORBIDDEN);
    assert_eq!(port.by_path(Method::GET, "/").send().await?.status(), StatusCode::FORBIDDEN);
    assert!(text(port.by_path(Method::GET, "/").header("cookie", &cookie)).await?.starts_with("GET / "));

    let visit = port.by_host(Method::GET, "/deep?q=1").header("sec-fetch-mode", "navigate").send().await?;
    let ask = header(&visit, "location").to_owned();
    assert!(ask.starts_with(&format!("{}/port-access?ask=", port.site)), "{ask}");
    let stranger = port.client.get(&ask).send().await?;
    let again = stranger.text().await?;
    let again =
        again.split("url=/port-access?").nth(1).and_then(|t| t.split('"').next()).context("no way on")?;
    let again = format!("{}/port-access?{}", port.site, again.replace("&amp;", "&"));
    assert_eq!(port.client.get(&again).send().await?.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        port.client.get(&again).header("cookie", &cookie).send().await?.status(),
        StatusCode::FORBIDDEN
    );

    let visit = port.by_host(Method::GET, "/deep?q=1").header("sec-fetch-mode", "navigate").send().await?;
    let back = port.client.get(header(&visit, "location")).header("cookie", &cookie).send().await?;
    let back = header(&back, "location").to_owned();
    let ticket = back.strip_prefix(&format!("http://{}", port.host)).context(back.clone())?.to_owned();
    let welcome = port.by_host(Method::GET, &ticket).send().await?;
    assert_eq!(header(&welcome, "location"), format!("http://{}/deep?q=1", port.host));
    let set = header(&welcome, "set-cookie").to_owned();
    assert!(set.starts_with("sandlot_port=") && set.contains("HttpOnly") && !set.contains("Domain"), "{set}");
    let grant = set.split(';').next().unwrap_or_default();
    let seen = text(port.by_host(Method::GET, "/deep").header("cookie", grant)).await?;
    assert!(seen.starts_with("GET /deep") && !seen.contains("sandlot"), "{seen}");
    assert_eq!(port.by_host(Method::GET, &ticket).send().await?.status(), StatusCode::FORBIDDEN);
    let foreign =
        port.by_host(Method::POST, "/").header("cookie", grant).header("sec-fetch-site", "same-site");
    assert_eq!(foreign.send().await?.status(), StatusCode::FORBIDDEN);

    let visit =
        port.by_path(Method::GET, "/deep?q=1").header("cookie", &cookie).header("sec-fetch-mode", "navigate");
    let granted = header(&visit.send().await?, "location").to_owned();
    assert!(
        granted.starts_with("/port/") && granted.ends_with("/deep?q=1") && !granted.starts_with(&port.path)
    );
    assert!(text(port.client.get(format!("{}{granted}", port.site))).await?.starts_with("GET /deep?q=1 "));
    Port::of(&session, app.port, json!({"visibility": "closed"})).await?;
    assert_eq!(
        port.client.get(format!("{}{granted}", port.site)).send().await?.status(),
        StatusCode::NOT_FOUND
    );
    service.end().await
}

#[tokio::test]
async fn links_and_settings_outlive_serve() -> Result<()> {
    let service = Service::start("").await?;
    let session = service.session("tiny").await?;
    Port::of(&session, 80, json!({"visibility": "private", "rewrite_host": true})).await?;
    assert_eq!(
        service.rows("SELECT place, port, visibility, rewrites_host FROM ports").await?,
        "0|80|private|1"
    );
    let key = service.state.path().join("serve/port-key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key)?.permissions());
    assert_eq!((mode & 0o777, std::fs::read(&key)?.len()), (0o600, 32));
    service.end().await
}
