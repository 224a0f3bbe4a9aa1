//! `sandlot connect`: bytes of any protocol, and what it says when it cannot.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use sandlot_tests::api::Api;
use sandlot_tests::authority::Authority;
use sandlot_tests::node::{Options, TestNode, binary};
use sandlot_tests::wait::PATIENCE;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use sandlot_tests::port::listens;

#[tokio::test]
async fn connect_carries_bytes_of_any_protocol() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    session.sh("(nc -ll -p 7 -e cat) >/dev/null 2>&1 </dev/null &").await?;
    listens(&session, 7).await?;
    let path = session.url.replace("http:", "ws:") + "/connect?port=7";
    let (mut socket, _) = tokio_tungstenite::connect_async(path.as_str().into_client_request()?).await?;
    socket.send(Message::binary(b"\x00raw\xff".to_vec())).await?;
    let back = tokio::time::timeout(PATIENCE, socket.next()).await?.context("closed")??;
    assert_eq!(back, Message::binary(b"\x00raw\xff".to_vec()));
    // An empty message is the end of this side's bytes.
    socket.send(Message::binary(Vec::new())).await?;
    let end = tokio::time::timeout(PATIENCE, socket.next()).await?.context("closed")??;
    assert_eq!(end, Message::binary(Vec::new()));
    session.close().await
}

fn connect(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary("sandlot")?);
    command.arg("connect").args(arguments).stdin(Stdio::null()).env("NO_PROXY", "*");
    Ok(command)
}

/// What a call that must fail says. None may repeat the address.
fn fails(url: &str, port: &str) -> Result<String> {
    let ended = connect(&[url, port, "--listen", "127.0.0.1:0"])?.output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(!ended.status.success(), "it went well: {said}");
    let secret = url.rsplit('/').next().unwrap_or_default();
    ensure!(secret.len() < 20 || !said.contains(secret), "the address is in: {said}");
    Ok(said)
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_promised() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let other = "A".repeat(27);
    let unknown = format!("{}/s/{other}", node.url());
    let silent = format!("http://127.0.0.1:1/s/{other}");
    let secure = session.url.replace("http:", "https:");
    for (url, port, words) in [
        ("nonsense", "80", "this is no address of a session: an address looks like https://HOST/s/SECRET"),
        (node.url().as_str(), "80", "is cut off"),
        (session.url.as_str(), "0", "a port is a number from 1 to 65535"),
        (session.url.as_str(), "99999", "a port is a number from 1 to 65535"),
        (session.url.as_str(), "ssh", "a port is a number from 1 to 65535"),
        (unknown.as_str(), "80", "there is no session at this address"),
        (silent.as_str(), "80", "nothing answers at 127.0.0.1:1"),
        (secure.as_str(), "80", "speaks no TLS"),
    ] {
        let said = fails(url, port)?;
        assert!(said.contains(words), "{words} is not in {said}");
    }
    session.close().await
}

/// A running `sandlot connect`, ended with it.
struct Connected(Child);

impl Drop for Connected {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop((self.0.kill(), self.0.wait()));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test may spawn")]
async fn a_certificate_must_be_known() -> Result<()> {
    let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
    let files = authority.issue(folder.path(), 2)?;
    let arguments = ["--tls-cert", "--tls-key"].into_iter().zip([files.certificate, files.key]);
    let arguments =
        arguments.flat_map(|(name, file)| [name.to_owned(), file.display().to_string()]).collect();
    let node = TestNode::with(Options { arguments, ..Options::default() })?;
    let session = Api::secure(&node.secure_url(), &authority)?.create("tiny").await?;
    let said = fails(session.url.as_str(), "7")?;
    assert!(said.contains("does not trust the certificate") && said.contains("SSL_CERT_FILE"), "{said}");

    session.sh("(nc -ll -p 7 -e cat) >/dev/null 2>&1 </dev/null &").await?;
    listens(&session, 7).await?;
    let mut command = connect(&[&session.url, "7", "--listen", "127.0.0.1:0"])?;
    let command = command.env("SSL_CERT_FILE", authority.certificate()).stdout(Stdio::piped());
    let mut connected = Connected(command.spawn()?);
    let mut line = String::new();
    BufReader::new(connected.0.stdout.take().context("no output")?).read_line(&mut line)?;
    let address = line.split(' ').next().context("nothing said")?.to_owned();
    let back = tokio::task::spawn_blocking(move || -> Result<[u8; 4]> {
        let mut stream = TcpStream::connect(&address).with_context(|| address.clone())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"\x00up\xff")?;
        let mut back = [0; 4];
        stream.read_exact(&mut back)?;
        Ok(back)
    });
    assert_eq!(&back.await??, b"\x00up\xff");
    session.close().await
}
