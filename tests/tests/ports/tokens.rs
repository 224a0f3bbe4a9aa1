//! Who guesses at secrets learns nothing: whatever is presented, the same is done and the same is answered. And no secret
//! stands in a log or goes along to where a link leads.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};
use serde_json::json;

use sandlot_tests::port::Port;

/// An answer, but for what is its own: its number and its date.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    /// What the log says was done for it, a line each.
    work: Vec<String>,
}

struct Ground {
    node: TestNode,
    client: Client,
    live: Session,
    ended: Session,
    /// A port of either.
    ports: [Port; 2],
}

impl Ground {
    async fn new() -> Result<Self> {
        let node = TestNode::with(Options { log: Some("debug,sandlot_server=trace"), ..Options::default() })?;
        let api = Api::new(&node.url())?;
        let (live, ended) = (api.create("tiny").await?, api.create("tiny").await?);
        let ports =
            [Port::set(&node, &live, 80, json!({})).await?, Port::set(&node, &ended, 80, json!({})).await?];
        ended.close().await?;
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { node, client, live, ended, ports })
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer> {
        let answer = request.send().await?;
        let number = answer.headers().get("x-request-id").map(|number| number.to_str().map(str::to_owned));
        let text =
            |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let own = |name: &str| matches!(name, "date" | "x-request-id");
        let headers = answer.headers().iter().filter(|(name, _)| !own(name.as_str()));
        let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        let (status, body) = (answer.status().as_u16(), answer.text().await?);
        let work = number.transpose()?.map(|number| self.work(&number)).unwrap_or_default();
        Ok(Answer { status, headers, body, work })
    }

    /// Lines of one request: their target and statement, or their first word.
    fn work(&self, number: &str) -> Vec<String> {
        let (log, span) = (self.node.log(), format!("request{{number={number} "));
        let lines = log.lines().filter_map(|line| line.split_once(&span)?.1.split_once("}: "));
        let what = |line: &str| match line.split_once("summary=\"") {
            Some((_, rest)) => rest.split('"').next().unwrap_or_default().to_owned(),
            None => line.split(' ').next().unwrap_or_default().to_owned(),
        };
        // The first statement of a connection to the database comes with those that set it up.
        lines.map(|(_, line)| what(line)).filter(|line| !line.starts_with("PRAGMA")).collect()
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.node.url()))
    }

    fn upgrade(&self, path: &str) -> RequestBuilder {
        let headers = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        headers.into_iter().fold(self.get(path), |request, (name, value)| request.header(name, value))
    }

    /// Every request is answered like the first one; `status` is what that is.
    async fn alike(&self, status: u16, requests: Vec<RequestBuilder>) -> Result<Answer> {
        let mut answers = Vec::new();
        for request in requests {
            answers.push(self.answer(request).await?);
        }
        let first = answers.remove(0);
        assert_eq!(first.status, status, "{first:?}");
        for other in answers {
            assert_eq!(other, first);
        }
        Ok(first)
    }
}

/// A guess of the same form.
fn guess(secret: &str) -> String {
    let last = if secret.ends_with('a') { 'b' } else { 'a' };
    format!("{}{last}", &secret[..secret.len() - 1])
}

fn secret_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

#[tokio::test]
async fn guesses_wrong_and_ended_ones_are_answered_alike_after_the_same_work() -> Result<()> {
    let ground = Ground::new().await?;
    let (live, ended) = (&ground.live, &ground.ended);
    let below = |id: &str, token: &str| ground.get(&format!("/api/v1/sessions/{id}")).bearer_auth(token);
    let invented = guess(&live.id);
    let refused = ground
        .alike(
            404,
            vec![
                below(&live.id, &guess(&live.token)),
                below(&live.id, &ended.token),
                below(&live.id, secret_of(&live.url)),
                below(&ended.id, &guess(&ended.token)),
                below(&ended.id, &live.token),
                below(&invented, &live.token),
                below(&invented, &guess(&live.token)),
            ],
        )
        .await?;
    ensure!(refused.work.iter().filter(|line| line.starts_with("SELECT")).count() == 1, "{refused:?}");

    let secret = secret_of(&live.url);
    let page = |token: &str| ground.get(&format!("/s/{token}"));
    let refused =
        ground.alike(404, vec![page(&guess(secret)), page(&live.token), page(&ended.token)]).await?;
    ensure!(refused.work.iter().filter(|line| line.starts_with("SELECT")).count() == 1, "{refused:?}");
    // What cannot be a secret at all is not looked up, and is answered alike.
    let short = ground.answer(page("short")).await?;
    assert_eq!((short.status, &short.headers, &short.body), (404, &refused.headers, &refused.body));

    let connect = |token: &str| ground.upgrade(&format!("/s/{token}/connect?port=80"));
    ground.alike(404, vec![connect(&guess(secret)), connect(&live.token), connect(&ended.token)]).await?;

    let (_, ticket) = live.request(Method::POST, "/instances/m1/terminals", Some(json!({}))).await?;
    let ticket =
        ticket["ws_url"].as_str().and_then(|url| url.split("ticket=").nth(1)).context("no ticket")?;
    let ticket = ticket.split('&').next().unwrap_or_default().to_owned();
    let enter = |ticket: &str| ground.upgrade(&format!("/api/v1/terminals/ws?ticket={ticket}"));
    assert_eq!(enter(&ticket).send().await?.status(), StatusCode::SWITCHING_PROTOCOLS);
    ground.alike(404, vec![enter(&ticket), enter(&guess(&ticket)), enter(secret), enter("short")]).await?;

    let ask = |ask: &str| ground.get(&format!("/port-access?ask={ask}"));
    ground.alike(403, vec![ask(&guess(secret)), ask(&ticket), ask("short")]).await.map(drop)
}

#[tokio::test]
async fn addresses_of_ports_are_answered_alike() -> Result<()> {
    let ground = Ground::new().await?;
    let [live, ended] = [ground.ports[0].token()?, ground.ports[1].token()?];
    let texts = [guess(&live), ended, live[1..].to_owned(), format!("{live}a"), "-".to_owned()];
    let path = |text: &String| ground.get(&format!("/port/{text}/80/"));
    let paths = ground.alike(404, texts.iter().map(path).collect()).await?;
    let port = ground.node.address().port();
    let host = |text: &String| ground.get("/").header("host", format!("80-{text}.localhost:{port}"));
    let hosts = ground.alike(404, texts.iter().map(host).collect()).await?;
    assert_eq!((&hosts.body, &hosts.headers), (&paths.body, &paths.headers));
    // No number of a port, behind a token that is right.
    let wrong = ground.alike(404, vec![ground.get(&format!("/port/{live}/080/")), path(&texts[0])]).await?;
    assert_eq!(wrong, paths);

    // A private port: a grant that was guessed, and the way back with a ticket that nobody gave.
    let private = Port::set(&ground.node, &ground.live, 80, json!({"visibility": "private"})).await?;
    let with = |cookie: String| private.by_host(Method::GET, "/").header("cookie", cookie);
    let grants =
        [format!("sandlot_port={}", guess(&live)), "sandlot_port=x".to_owned(), "other=y".to_owned()];
    ground.alike(403, grants.map(with).into()).await?;
    let back =
        |ticket: &str| private.by_host(Method::GET, &format!("/.well-known/sandlot-port?ticket={ticket}"));
    ground
        .alike(403, vec![back(&ground.live.token), back(&guess(&ground.live.token)), back("x")])
        .await
        .map(drop)
}

#[tokio::test]
async fn no_secret_is_logged_and_none_goes_along() -> Result<()> {
    let ground = Ground::new().await?;
    let (live, ended) = (&ground.live, &ground.ended);
    let token = ground.ports[0].token()?;
    let paths = [
        "/".to_owned(),
        format!("/s/{}", secret_of(&live.url)),
        format!("/s/{}/", secret_of(&live.url)),
        format!("/s/{}", secret_of(&ended.url)),
        format!("/s/{}/connect?port=80", secret_of(&live.url)),
        format!("/s/{}", guess(secret_of(&live.url))),
        format!("/port/{token}/80"),
        format!("/port/{token}/80/"),
        format!("/port/{}/80/", guess(&token)),
        format!("/port-access?ask={}", guess(&live.token)),
        format!("/nowhere/{}", live.token),
        format!("/api/v1/sessions/{}?token={}", live.id, live.token),
        format!("/api/v1/terminals/ws?ticket={}", guess(&live.token)),
        "/api/v1/openapi.json".to_owned(),
        "/assets/app.js".to_owned(),
    ];
    for path in &paths {
        for method in [Method::GET, Method::POST] {
            let request = ground.client.request(method.clone(), format!("{}{path}", ground.node.url()));
            let request = request.header("referer", &live.url).bearer_auth(&live.token);
            let answer = ground.answer(request).await?;
            let policy = answer.headers.get("referrer-policy").map(String::as_str);
            ensure!(matches!(policy, Some("same-origin" | "no-referrer")), "{method} {path}: {answer:?}");
        }
    }
    // Each way in once, and failures of each kind.
    let mut terminal = live.terminal().await?;
    terminal.input(b"exit\n").await?;
    live.sh("httpd -p 80 -h /tmp").await?;
    let private = Port::set(&ground.node, live, 80, json!({"visibility": "private"})).await?;
    let navigate = |request: RequestBuilder| request.header("sec-fetch-mode", "navigate");
    let sent = navigate(private.by_host(Method::GET, "/")).send().await?;
    let to = sent.headers().get("location").context("not sent to the site")?.to_str()?.to_owned();
    let site = navigate(ground.client.get(&to))
        .header("cookie", format!("sandlot_{}={}", live.id, secret_of(&live.url)));
    let back = site.send().await?.headers().get("location").context("not sent back")?.to_str()?.to_owned();
    let (_, path) =
        back.split_once("localhost").and_then(|(_, rest)| rest.split_once('/')).context("no path")?;
    let home = navigate(private.by_host(Method::GET, &format!("/{path}"))).send().await?;
    let cookie = home.headers().get("set-cookie").context("no grant")?.to_str()?.to_owned();
    let grant = cookie.split(['=', ';']).nth(1).context("no value")?.to_owned();
    let opened =
        private.by_host(Method::GET, "/").header("cookie", format!("sandlot_port={grant}")).send().await?;
    assert_eq!(opened.status(), StatusCode::NOT_FOUND, "the app's own answer");

    let after_equals = |url: &str| url.rsplit('=').next().unwrap_or_default().to_owned();
    let secrets = [
        live.token.clone(),
        ended.token.clone(),
        secret_of(&live.url).to_owned(),
        secret_of(&ended.url).to_owned(),
        token,
        ground.ports[1].token()?,
        after_equals(&to),
        after_equals(&back),
        grant,
        guess(secret_of(&live.url)),
        guess(&live.token),
    ];
    let log = ground.node.log();
    ensure!(log.contains("SELECT"), "nothing is logged");
    for secret in secrets {
        ensure!(secret.len() > 20, "{secret} is no secret");
        let found = log.lines().find(|line| line.contains(&secret));
        ensure!(found.is_none(), "a secret is in the log: {found:?}");
    }
    live.close().await
}
