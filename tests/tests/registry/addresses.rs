//! Where a session is never led, by whatever way, and where an operator is not.

use std::net::Ipv4Addr;

use sandlot_runtime::image::Digest;
use sandlot_server::registry::{
    Client, Credential, Credentials, Error, NameServers, Outgoing, Settings, Trust,
};
use tokio::net::TcpListener;

use super::ground::{name, operator, settings};
use super::liar::{Liar, Reply, Seen, reply};
use super::name_server::NameServer;

/// The one address that these sessions may reach besides the public ones.
const OPEN: &str = "127.0.0.2";
const FORBIDDEN: [&str; 9] = [
    "http://127.0.0.1/x",
    "http://127.0.0.1:1/x",
    "http://localhost/x",
    "http://[::1]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/x",
    "http://0x7f.1/x",
    "http://10.0.0.1/x",
];

fn session_settings() -> Settings {
    // Plain everywhere, so that it is the address that is refused.
    let plain = [
        "127.0.0.1",
        "127.0.0.2",
        "localhost",
        "[::1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "rebind.test",
        "meta.test",
    ];
    Settings {
        allow: vec![format!("{OPEN}/32").parse().unwrap()],
        plain_http: plain.map(str::to_owned).to_vec(),
        ..settings()
    }
}

fn session() -> Client {
    Client::new(session_settings(), Trust::Session).unwrap()
}

/// A registry that a session reaches.
async fn liar(answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Liar {
    Liar::start(OPEN, answer).await
}

fn is_address<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Address { .. }))
}

#[tokio::test]
async fn a_session_names_no_address_of_the_node() {
    let victim = Liar::start("127.0.0.1", |_, _| reply("200 OK", "", b"{}")).await;
    let port = victim.address.port();
    for host in ["127.0.0.1", "localhost", "127.0.0.3"] {
        let mut settings = session_settings();
        settings.plain_http.push("127.0.0.3".to_owned());
        let client = Client::new(settings, Trust::Session).unwrap();
        let result = client.tags(&name(&format!("{host}:{port}/a:1"))).await;
        assert!(is_address(&result), "{host}: {result:?}");
    }
    assert!(victim.seen().is_empty());
    let open = liar(|_, _| reply("200 OK", "", br#"{"tags":["a"]}"#)).await;
    assert_eq!(session().tags(&name(&format!("{}/a:1", open.host()))).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn no_redirect_leads_a_session_home() {
    for target in FORBIDDEN {
        let registry =
            liar(move |_, _| reply("307 Temporary Redirect", &format!("Location: {target}\r\n"), b"")).await;
        let of = name(&format!("{}/a:1", registry.host()));
        let result = session().manifest(&of).await;
        assert!(is_address(&result), "{target}: {result:?}");
        let blob = session().blob(&of, &Digest::of(b"x"), 1, 0).await.map(drop);
        assert!(is_address(&blob), "{target}: {blob:?}");
    }
}

#[tokio::test]
async fn no_token_server_and_no_upload_leads_a_session_home() {
    for target in FORBIDDEN {
        let header = format!("WWW-Authenticate: Bearer realm=\"{target}\",service=\"x\"\r\n");
        let registry = liar(move |_, _| reply("401 Unauthorized", &header, b"")).await;
        let result = session().tags(&name(&format!("{}/a:1", registry.host()))).await;
        assert!(is_address(&result), "{target}: {result:?}");

        let location = format!("Location: {target}\r\n");
        let registry = liar(move |request, _| match request.method.as_str() {
            "HEAD" => reply("404 Not Found", "", b""),
            _ => reply("202 Accepted", &location, b""),
        })
        .await;
        let (to, digest) = (name(&format!("{}/a:1", registry.host())), Digest::of(b"x"));
        let blob = Outgoing { digest: &digest, size: 1, mount_from: None };
        let result =
            session().push_blob(&to, blob, &mut std::io::Cursor::new(b"x".to_vec()), &mut |_| ()).await;
        assert!(is_address(&result), "{target}: {result:?}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let registry = liar(|_, _| reply("200 OK", "", br#"{"tags":["a"]}"#)).await;
    let port = registry.address.port();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let victim = Liar::on(listener, |_, _| reply("200 OK", "", br#"{"tags":["stolen"]}"#));
    let names = NameServer::start(vec![Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::LOCALHOST]).await;
    let settings = Settings { name_servers: NameServers::Listed(vec![names.address]), ..session_settings() };
    let client = Client::new(settings, Trust::Session).unwrap();
    let of = name(&format!("rebind.test:{port}/a:1"));
    assert_eq!(client.tags(&of).await.unwrap(), ["a"]);
    assert_eq!(names.asked(), 1, "what was checked is what was connected to");
    let result = client.tags(&of).await;
    assert!(is_address(&result), "{result:?}");
    assert!(victim.seen().is_empty());
}

#[tokio::test]
async fn a_name_of_the_metadata_service_is_refused() {
    let names = NameServer::start(vec![Ipv4Addr::new(169, 254, 169, 254)]).await;
    let everywhere = vec!["0.0.0.0/0".parse().unwrap()];
    let settings = Settings {
        name_servers: NameServers::Listed(vec![names.address]),
        allow: everywhere,
        ..session_settings()
    };
    let client = Client::new(settings, Trust::Session).unwrap();
    let result = client.tags(&name("meta.test:80/a:1")).await;
    assert!(is_address(&result), "{result:?}");
}

#[tokio::test]
async fn sessions_speak_tls_unless_a_host_is_listed() {
    let registry = liar(|_, _| reply("200 OK", "", b"{}")).await;
    let settings = Settings { plain_http: Vec::new(), ..session_settings() };
    let client = Client::new(settings, Trust::Session).unwrap();
    let result = client.tags(&name(&format!("{}/a:1", registry.host()))).await;
    assert!(matches!(result, Err(Error::Tls { .. } | Error::Connection { .. })), "{result:?}");
    assert!(registry.seen().is_empty());
}

#[tokio::test]
async fn a_session_reaches_the_operators_mirror_at_its_port_only() {
    let mirror = Liar::start("127.0.0.1", |request, _| match request.path.as_str() {
        "/v2/away/tags/list" => reply("307 Temporary Redirect", "Location: http://127.0.0.1:1/x\r\n", b""),
        path if path.contains("/away/") => {
            reply("307 Temporary Redirect", "Location: http://127.0.0.1:1/x\r\n", b"")
        }
        _ => reply("200 OK", "", b"x"),
    })
    .await;
    let mirrors = vec![format!("http://{}", mirror.host()).parse().unwrap()];
    let settings = Settings { mirrors: [(format!("{OPEN}:9"), mirrors)].into(), ..session_settings() };
    let client = Client::new(settings, Trust::Session).unwrap();
    let pulled = super::ground::read(&client, &name(&format!("{OPEN}:9/a:1")), &Digest::of(b"x"), 1, 0).await;
    assert_eq!(pulled.unwrap(), b"x");
    let direct = client.tags(&name(&format!("{}/away:1", mirror.host()))).await;
    assert!(is_address(&direct), "{direct:?}");
    let seen = mirror.seen().len();
    let away = client.manifest(&name(&format!("{OPEN}:9/away:1"))).await;
    assert!(away.is_err() && mirror.seen().len() > seen);
}

#[tokio::test]
async fn an_operator_is_not_led_home_by_a_registry_elsewhere() {
    let victim = Liar::start("127.0.0.1", |_, _| reply("200 OK", "", b"{}")).await;
    let target = format!("Location: http://{}/x\r\n", victim.host());
    let registry = Liar::start("127.0.0.1", move |_, _| reply("307 Temporary Redirect", &target, b"")).await;
    // The registry is where it is; asked again whether that is here, its name says no.
    let names = NameServer::start(vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(198, 51, 100, 7)]).await;
    let listed = NameServers::Listed(vec![names.address]);
    let settings = Settings { name_servers: listed, plain_http: vec!["reg.test".to_owned()], ..settings() };
    let client = Client::new(settings, Trust::Operator).unwrap();
    let result = client.tags(&name(&format!("reg.test:{}/a:1", registry.address.port()))).await;
    assert!(is_address(&result), "{result:?}");
    assert!(victim.seen().is_empty());
    let local = operator().tags(&name(&format!("{}/a:1", registry.host()))).await;
    assert!(local.is_ok(), "{local:?}");
    assert!(!victim.seen().is_empty());
}

#[tokio::test]
async fn redirects_end_and_carry_no_credentials() {
    let circle = Liar::start("127.0.0.1", |_, _| reply("302 Found", "Location: /again\r\n", b"")).await;
    let result = operator().tags(&name(&format!("{}/a:1", circle.host()))).await;
    assert!(matches!(result, Err(Error::Protocol { .. })), "{result:?}");
    assert_eq!(circle.seen().len(), 6);

    let storage = Liar::start("127.0.0.1", |_, _| reply("200 OK", "", br#"{"tags":[]}"#)).await;
    let location = format!("Location: http://{}/blob\r\n", storage.host());
    let registry = Liar::start("127.0.0.1", move |request, _| match request.header("authorization") {
        None => reply("401 Unauthorized", "WWW-Authenticate: Basic realm=x\r\n", b""),
        Some(_) => reply("307 Temporary Redirect", &location, b""),
    })
    .await;
    let mut credentials = Credentials::default();
    let password = Credential::Password { user: "ann".to_owned(), password: "secret".to_owned() };
    credentials.insert(&registry.host(), password);
    let client = operator().with_credentials(credentials);
    assert!(client.tags(&name(&format!("{}/a:1", registry.host()))).await.unwrap().is_empty());
    assert!(registry.seen()[1].header("authorization").is_some());
    assert_eq!(storage.seen()[0].header("authorization"), None);
}

/// Runs itself again with a proxy in its environment, which no test may change for the others.
#[tokio::test]
async fn proxies_are_for_operators_elsewhere() {
    if std::env::var_os("http_proxy").is_some() {
        return with_a_proxy().await;
    }
    let proxy = Liar::start("127.0.0.1", |_, _| reply("200 OK", "", br#"{"tags":["by proxy"]}"#)).await;
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "addresses::proxies_are_for_operators_elsewhere"]);
    again.env("http_proxy", format!("http://{}", proxy.host())).env_remove("no_proxy").env_remove("NO_PROXY");
    let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let asked: Vec<String> = proxy.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["http://reg.test/v2/a/tags/list?n=1000"]);
}

async fn with_a_proxy() {
    let plain = vec!["reg.test".to_owned()];
    let client = Client::new(Settings { plain_http: plain, ..settings() }, Trust::Operator).unwrap();
    assert_eq!(client.tags(&name("reg.test/a:1")).await.unwrap(), ["by proxy"]);
    let direct = |_: &Seen, _| reply("200 OK", "", br#"{"tags":["direct"]}"#);
    let local = Liar::start("127.0.0.1", direct).await;
    assert_eq!(client.tags(&name(&format!("{}/a:1", local.host()))).await.unwrap(), ["direct"]);
    let open = liar(direct).await;
    assert_eq!(session().tags(&name(&format!("{}/a:1", open.host()))).await.unwrap(), ["direct"]);
}
