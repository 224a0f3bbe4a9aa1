//! Uploads that break in the middle, and registries that say they have what they have not.

use std::io::Cursor;
use std::sync::{Arc, Mutex};

use sandlot_runtime::image::Digest;
use sandlot_server::registry::{Client, Credential, Credentials, Error, Outgoing, Pushed, Settings, Trust};

use super::ground::{content, name, settings};
use super::liar::{Liar, Reply, Seen, Step, reply};

const SIZE: usize = 500_000;
const PIECE: u64 = 200_000;

async fn push(client: &Client, host: &str) -> Result<Pushed, Error> {
    let (client, to) = (client.clone(), name(&format!("{host}/a:1")));
    // In a task of its own, as the server does it.
    let push = tokio::spawn(async move {
        let bytes = content(SIZE);
        let digest = Digest::of(&bytes);
        let blob = Outgoing { digest: &digest, size: SIZE as u64, mount_from: None };
        client.push_blob(&to, blob, &mut Cursor::new(bytes), &mut |_| ()).await
    });
    push.await.unwrap()
}

fn client() -> Client {
    Client::new(Settings { piece_bytes: PIECE, ..settings() }, Trust::Operator).unwrap()
}

/// An answer that says how much is there.
fn has(status: &str, bytes: usize) -> Reply {
    reply(status, &format!("Location: /upload\r\nRange: 0-{}\r\n", bytes.saturating_sub(1)), b"")
}

fn length(request: &Seen) -> usize {
    request.header("content-length").map_or(0, |text| text.parse().unwrap())
}

/// The method of each request that carries something, and where in the blob that begins.
fn transfers(seen: &[Seen]) -> Vec<(String, String)> {
    let carrying = seen.iter().filter(|request| request.method == "PATCH" || request.method == "PUT");
    carrying.map(|r| (r.method.clone(), r.header("content-range").unwrap_or("").to_owned())).collect()
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_the_registry_is() {
    // What the registry has, as it breaks in the middle of its second piece.
    let held = Arc::new(Mutex::new((0_usize, 0_usize)));
    let state = Arc::clone(&held);
    let registry = Liar::start("127.0.0.1", move |request, _| {
        let (bytes, patches) = &mut *state.lock().unwrap();
        match request.method.as_str() {
            "HEAD" => reply("404 Not Found", "", b""),
            "POST" => reply("202 Accepted", "Location: /upload\r\n", b""),
            "GET" => has("204 No Content", *bytes),
            "PUT" => reply("201 Created", "", b""),
            _ => {
                *patches += 1;
                if *patches == 2 {
                    *bytes += 70_000;
                    return vec![Step::Read(70_000)];
                }
                *bytes += length(request);
                has("202 Accepted", *bytes)
            }
        }
    })
    .await;
    assert_eq!(push(&client(), &registry.host()).await.unwrap(), Pushed::Uploaded);
    assert_eq!(held.lock().unwrap().0, SIZE);
    let expected = [
        ("PATCH", "0-199999"),
        ("PATCH", "200000-399999"),
        ("PATCH", "270000-469999"),
        ("PATCH", "470000-499999"),
        ("PUT", ""),
    ];
    assert_eq!(
        transfers(&registry.seen()),
        expected.map(|(method, range)| (method.to_owned(), range.to_owned()))
    );
    let bodies: Vec<u8> = registry.seen().iter().flat_map(|request| request.body.clone()).collect();
    assert!(bodies == content(SIZE));
}

#[tokio::test]
async fn an_upload_that_was_forgotten_begins_anew() {
    let registry = Liar::start("127.0.0.1", |request, turn| match request.method.as_str() {
        "POST" => reply("202 Accepted", "Location: /upload\r\n", b""),
        "PATCH" if turn < 4 => reply("500 Internal Server Error", "", b""),
        "PATCH" => has("202 Accepted", SIZE.min((turn - 5) * PIECE as usize)),
        "PUT" => reply("201 Created", "", b""),
        _ => reply("404 Not Found", "", b""),
    })
    .await;
    let result = push(&client(), &registry.host()).await;
    let methods: Vec<String> = registry.seen().into_iter().map(|request| request.method).collect();
    assert_eq!(methods[..6], ["HEAD", "POST", "PATCH", "GET", "HEAD", "POST"]);
    assert!(result.is_ok(), "{result:?} {methods:?}");
}

#[tokio::test]
async fn a_registry_that_claims_too_much_or_nothing_is_left() {
    for claim in [SIZE + 1, PIECE as usize + 1, 1] {
        let registry = Liar::start("127.0.0.1", move |request, _| match request.method.as_str() {
            "HEAD" => reply("404 Not Found", "", b""),
            "POST" => reply("202 Accepted", "Location: /upload\r\n", b""),
            _ => has("202 Accepted", claim),
        })
        .await;
        let result = push(&client(), &registry.host()).await;
        assert!(matches!(result, Err(Error::Protocol { .. })), "{claim}: {result:?}");
    }
    let nowhere = Liar::start("127.0.0.1", |request, _| match request.method.as_str() {
        "HEAD" => reply("404 Not Found", "", b""),
        _ => reply("202 Accepted", "", b""),
    })
    .await;
    assert!(matches!(push(&client(), &nowhere.host()).await, Err(Error::Protocol { .. })));
}

#[tokio::test]
async fn a_registry_that_takes_nothing_is_left_in_time() {
    let registry = Liar::start("127.0.0.1", |request, _| match request.method.as_str() {
        "HEAD" | "GET" => reply("404 Not Found", "", b""),
        "POST" => reply("202 Accepted", "Location: /upload\r\n", b""),
        _ => vec![Step::Drip(b"HTTP/1.1 ".to_vec(), std::time::Duration::from_secs(60))],
    })
    .await;
    let mut short = settings();
    short.timing.idle = std::time::Duration::from_millis(200);
    short.timing.commit = std::time::Duration::from_millis(400);
    short.timing.resumes = 1;
    let client = Client::new(short, Trust::Operator).unwrap();
    let result = push(&client, &registry.host()).await;
    assert!(matches!(result, Err(Error::TooSlow { .. })), "{result:?}");
}

#[tokio::test]
async fn an_upload_elsewhere_carries_no_credentials() {
    let storage = Liar::start("127.0.0.1", |_, _| reply("201 Created", "", b"")).await;
    let location = format!("Location: http://{}/upload?state=s\r\n", storage.host());
    let registry = Liar::start("127.0.0.1", move |request, _| {
        match (request.header("authorization"), request.method.as_str()) {
            (None, _) => reply("401 Unauthorized", "WWW-Authenticate: Basic realm=x\r\n", b""),
            (_, "HEAD") => reply("404 Not Found", "", b""),
            _ => reply("202 Accepted", &location, b""),
        }
    })
    .await;
    let mut credentials = Credentials::default();
    let password = Credential::Password { user: "ann".to_owned(), password: "secret".to_owned() };
    credentials.insert(&registry.host(), password);
    let client = Client::new(settings(), Trust::Operator).unwrap().with_credentials(credentials);
    assert_eq!(push(&client, &registry.host()).await.unwrap(), Pushed::Uploaded);
    let seen = storage.seen();
    assert_eq!(seen[0].header("authorization"), None);
    assert!(seen[0].path.starts_with("/upload?state=s&digest=sha256%3A"), "{}", seen[0].path);
    assert!(seen[0].body == content(SIZE));
}
