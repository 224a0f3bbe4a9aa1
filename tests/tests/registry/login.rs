//! Passwords and tokens: Debian's registry with htpasswd, and with a token server of our own.

use std::io::Cursor;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sandlot_runtime::image::{Digest, Reference};
use sandlot_server::registry::{Client, Credential, Credentials, Error, Outgoing, Pushed};

use super::ground::{DockerRegistry, operator, read, run};
use super::liar::{Liar, Seen, reply};

fn ann(registry: &str, password: &str) -> Credentials {
    let mut credentials = Credentials::default();
    credentials
        .insert(registry, Credential::Password { user: "ann".to_owned(), password: password.to_owned() });
    credentials
}

async fn push(client: &Client, to: &Reference, bytes: &[u8], from: Option<&str>) -> Result<Pushed, Error> {
    let digest = Digest::of(bytes);
    let blob = Outgoing { digest: &digest, size: bytes.len() as u64, mount_from: from };
    client.push_blob(to, blob, &mut Cursor::new(bytes.to_vec()), &mut |_| ()).await
}

#[tokio::test]
async fn a_password_opens_what_is_closed_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    std::fs::write(&file, run("htpasswd", "apache2-utils", &["-Bbn", "ann", "secret"])).unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display());
    let registry = DockerRegistry::start(folder, "", &auth);
    let to = registry.name("a:1");
    let host = to.registry().to_owned();
    for client in [operator(), operator().with_credentials(ann(&host, "wrong"))] {
        let refused = push(&client, &to, b"x", None).await.unwrap_err();
        assert!(matches!(refused, Error::Unauthorized { .. }), "{refused}");
        assert!(
            refused.to_string().contains("log in") && !refused.to_string().contains("wrong"),
            "{refused}"
        );
    }
    let client = operator().with_credentials(ann(&host, "secret"));
    assert_eq!(push(&client, &to, b"x", None).await.unwrap(), Pushed::Uploaded);
    assert_eq!(read(&client, &to, &Digest::of(b"x"), 1, 0).await.unwrap(), b"x");
    let elsewhere = operator().with_credentials(ann("127.0.0.1:1", "secret"));
    assert!(matches!(push(&elsewhere, &to, b"x", None).await, Err(Error::Unauthorized { .. })));
}

/// A registry that trusts the token server at this address, whose key and certificate are in its folder.
fn registry_with_tokens(server: &Liar, folder: tempfile::TempDir) -> DockerRegistry {
    let auth = format!(
        "auth: {{token: {{realm: 'http://{}/token', service: test-registry, issuer: tester, rootcertbundle: {}}}}}\n",
        server.host(),
        folder.path().join("token.pem").display()
    );
    DockerRegistry::start(folder, "", &auth)
}

fn make_key(folder: &Path) {
    let path = |file: &str| folder.join(file).to_str().unwrap().to_owned();
    let (key, certificate) = (path("token.key"), path("token.pem"));
    let arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens"];
    run("openssl", "openssl", &[&arguments[..], &["-keyout", &key, "-out", &certificate]].concat());
}

/// Gives ann whatever she asks for in `team/`, and everybody else what is asked for reading in `open/`.
fn token_server(folder: &Path, request: &Seen) -> Vec<super::liar::Step> {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let ann = format!("Basic {}", STANDARD.encode("ann:secret"));
    let who = match request.header("authorization") {
        None => "",
        Some(header) if header == ann => "ann",
        Some(_) => return reply("401 Unauthorized", "", br#"{"details":"wrong password"}"#),
    };
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let scopes = scopes.map(|scope| scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ","));
    let access: Vec<String> = scopes.filter_map(|scope| grant(who, &scope)).collect();
    let token = signed(folder, who, &access.join(","));
    reply("200 OK", "", format!(r#"{{"access_token":"{token}","expires_in":300}}"#).as_bytes())
}

fn grant(who: &str, scope: &str) -> Option<String> {
    let (repository, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    let own = who == "ann" && repository.starts_with("team/");
    let actions = if own {
        actions
    } else {
        actions.split(',').find(|a| *a == "pull" && repository.starts_with("open/"))?
    };
    let actions = actions.replace(',', r#"",""#);
    Some(format!(r#"{{"type":"repository","name":"{repository}","actions":["{actions}"]}}"#))
}

fn signed(folder: &Path, who: &str, access: &str) -> String {
    let certificate = std::fs::read_to_string(folder.join("token.pem")).unwrap();
    let certificate: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let head = format!(r#"{{"typ":"JWT","alg":"RS256","x5c":["{certificate}"]}}"#);
    let claims = format!(
        r#"{{"iss":"tester","sub":"{who}","aud":"test-registry","exp":{},"nbf":{},"iat":{now},"jti":"1","access":[{access}]}}"#,
        now + 300,
        now - 60
    );
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let unsigned = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(unsigned.path(), &text).unwrap();
    let (key, file) = (folder.join("token.key"), unsigned.path().to_str().unwrap());
    let signature = run("openssl", "openssl", &["dgst", "-sha256", "-sign", key.to_str().unwrap(), file]);
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn tokens_are_fetched_for_what_is_done_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    make_key(folder.path());
    let keys = folder.path().to_owned();
    let server = Liar::start("127.0.0.1", move |request, _| token_server(&keys, request)).await;
    let registry = registry_with_tokens(&server, folder);
    let (one, two) = (registry.name("team/one:1"), registry.name("team/two:1"));
    let client = operator().with_credentials(ann(one.registry(), "secret"));
    assert_eq!(push(&client, &one, b"layer", None).await.unwrap(), Pushed::Uploaded);
    assert_eq!(push(&client, &two, b"layer", Some("team/one")).await.unwrap(), Pushed::Mounted);
    assert_eq!(read(&client, &one, &Digest::of(b"layer"), 5, 0).await.unwrap(), b"layer");
    let before = server.seen().len();
    assert_eq!(read(&client, &one, &Digest::of(b"layer"), 5, 0).await.unwrap(), b"layer");
    assert_eq!(server.seen().len(), before, "the token is used again");

    let anonymous = read(&operator(), &one, &Digest::of(b"layer"), 5, 0).await.unwrap_err();
    assert!(matches!(anonymous, Error::Unauthorized { .. } | Error::Denied { .. }), "{anonymous}");
    let missing = operator().manifest(&registry.name("open/nothing:1")).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    let wrong = operator().with_credentials(ann(one.registry(), "wrong"));
    let refused = push(&wrong, &one, b"layer", None).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthorized { .. }), "{refused}");
    assert!(refused.to_string().contains("wrong password"), "{refused}");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_a_form() {
    let tokens = Liar::start("127.0.0.1", |_, _| reply("200 OK", "", br#"{"access_token":"fresh"}"#)).await;
    let realm = format!("http://{}/oauth", tokens.host());
    let registry = Liar::start("127.0.0.1", move |request, _| match request.header("authorization") {
        Some("Bearer fresh") => reply("200 OK", "", br#"{"tags":["a"]}"#),
        _ => reply(
            "401 Unauthorized",
            &format!(
                "WWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:x:pull\"\r\n"
            ),
            b"",
        ),
    })
    .await;
    let mut credentials = Credentials::default();
    credentials.insert(&registry.host(), Credential::IdentityToken("refresh+me".to_owned()));
    let client = operator().with_credentials(credentials);
    assert_eq!(client.tags(&super::ground::name(&format!("{}/x:1", registry.host()))).await.unwrap(), ["a"]);
    let asked = &tokens.seen()[0];
    assert_eq!(asked.method, "POST");
    let body = String::from_utf8(asked.body.clone()).unwrap();
    assert!(
        body.contains("grant_type=refresh_token") && body.contains("refresh_token=refresh%2Bme"),
        "{body}"
    );
    assert!(body.contains("scope=repository%3Ax%3Apull&"), "{body}");
}

#[tokio::test]
async fn an_identity_token_is_not_redirected_to_anybody() {
    let thief = Liar::start("127.0.0.1", |_, _| reply("200 OK", "", br#"{"access_token":"x"}"#)).await;
    let location = format!("Location: http://{}/t\r\n", thief.host());
    let tokens = Liar::start("127.0.0.1", move |_, _| reply("307 Temporary Redirect", &location, b"")).await;
    let header = format!("WWW-Authenticate: Bearer realm=\"http://{}/t\"\r\n", tokens.host());
    let registry = Liar::start("127.0.0.1", move |_, _| reply("401 Unauthorized", &header, b"")).await;
    let mut credentials = Credentials::default();
    credentials.insert(&registry.host(), Credential::IdentityToken("hush".to_owned()));
    let client = operator().with_credentials(credentials);
    let refused = client.tags(&super::ground::name(&format!("{}/x:1", registry.host()))).await.unwrap_err();
    assert!(matches!(refused, Error::Protocol { .. }), "{refused}");
    assert!(thief.seen().is_empty() && tokens.seen().len() == 1);
}
