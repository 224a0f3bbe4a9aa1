//! The site's own TLS on a real node: whose key only root can read, renewed while it runs, and what does not speak it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{StatusCode, Version};
use sandlot_runtime::supervisor::node::TlsFiles;
use sandlot_tests::api::Api;
use sandlot_tests::authority::Authority;
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::wait::{self, PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A node with a certificate whose key is root's alone, in a folder that is root's alone.
struct Secured {
    node: TestNode,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Secured {
    /// Under a supervisor that was started when the node had no certificate.
    fn start_late() -> Result<Self> {
        let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
        let mut node = TestNode::start()?;
        node.end_serve(Signal::SIGTERM)?;
        node.set_arguments(arguments(&authority.issue(folder.path(), 2)?));
        node.start_serve()?;
        Ok(Self { node, authority, folder })
    }

    fn start() -> Result<Self> {
        let authority = Authority::new()?;
        let folder = tempfile::tempdir()?;
        let files = authority.issue(folder.path(), 2)?;
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600))?;
        let node = TestNode::with(Options { arguments: arguments(&files), ..Options::default() })?;
        Ok(Self { node, authority, folder })
    }

    async fn connect(&self, protocols: &[&str]) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.node.address()).await?;
        let connector = self.authority.connector(protocols)?;
        Ok(connector.connect("127.0.0.1".try_into()?, stream).await?)
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self) -> Result<Vec<u8>> {
        let stream = self.connect(&[]).await?;
        let chain = stream.get_ref().1.peer_certificates().context("no certificate")?;
        Ok(chain.first().context("an empty chain")?.to_vec())
    }

    /// Puts another pair in place, as programs that renew certificates do.
    fn renew(&self) -> Result<()> {
        let beside = tempfile::tempdir()?;
        let new = self.authority.issue(beside.path(), 2)?;
        for (from, name) in [(new.key, "site.key"), (new.certificate, "site.pem")] {
            let part = self.folder.path().join("part");
            fs::copy(from, &part)?;
            fs::set_permissions(&part, fs::Permissions::from_mode(0o600))?;
            fs::rename(&part, self.folder.path().join(name))?;
        }
        Ok(())
    }

    fn hang_up(&self) -> Result<()> {
        Ok(kill(Pid::from_raw(self.node.serve_pid()?.cast_signed()), Signal::SIGHUP)?)
    }

    async fn wait_for_another(&self, than: &[u8]) -> Result<Vec<u8>> {
        let probe = || async { self.shown().await.ok().filter(|shown| shown != than) };
        wait::until_async("another certificate", PATIENCE, probe).await.with_context(|| self.node.log())
    }

    async fn wait_for_line(&self, text: &str) -> Result<()> {
        let probe = || self.node.log().contains(text).then_some(());
        wait::until(text, PATIENCE, probe).with_context(|| self.node.log())
    }
}

fn arguments(files: &TlsFiles) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    vec!["--tls-cert".into(), path(&files.certificate), "--tls-key".into(), path(&files.key)]
}

#[tokio::test]
async fn both_versions_of_http_serve_and_a_terminal_works() -> Result<()> {
    let secured = Secured::start()?;
    let url = secured.node.secure_url();
    let api = Api::secure(&url, &secured.authority)?;
    let answer = api.http().get(&url).send().await?;
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    assert!(answer.headers().contains_key("strict-transport-security"));
    let old = secured.authority.trusted_by(reqwest::Client::builder().no_proxy().http1_only())?.build()?;
    assert_eq!(old.get(&url).send().await?.version(), Version::HTTP_11);
    for version in [reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3] {
        let client = reqwest::Client::builder().no_proxy().tls_version_min(version).tls_version_max(version);
        let answer = secured.authority.trusted_by(client)?.build()?.get(&url).send().await?;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    let session = api.create("tiny").await?;
    assert!(session.url.starts_with(&url), "{}", session.url);
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    secured.renew()?;
    secured.hang_up()?;
    secured.wait_for_line("shown the new certificate").await?;
    terminal.input(b"echo still-$((1+1))\n").await?;
    terminal.expect("still-2").await?;
    session.close().await
}

#[tokio::test]
async fn the_cookie_is_bound_to_the_host_and_pages_without_tls_are_foreign() -> Result<()> {
    let secured = Secured::start()?;
    let url = secured.node.secure_url();
    let api = Api::secure(&url, &secured.authority)?;
    let session = api.create("tiny").await?;
    let page = api.http().get(&session.url).send().await?;
    let cookie = page.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
    ensure!(cookie.starts_with("__Host-sandlot_") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap_or_default();
    let with = |origin: String| {
        let request = api.http().post(format!("{url}/api/v1/sessions/{}/extend", session.id));
        request.header("cookie", pair).header("origin", origin).send()
    };
    assert_ne!(with(url.clone()).await?.status(), StatusCode::FORBIDDEN);
    assert_eq!(with(secured.node.url()).await?.status(), StatusCode::FORBIDDEN);
    session.close().await
}

#[tokio::test]
async fn a_signal_or_a_changed_file_brings_the_new_certificate_and_a_broken_pair_does_not() -> Result<()> {
    let secured = Secured::start()?;
    let first = secured.shown().await?;

    secured.renew()?;
    secured.hang_up()?;
    let second = secured.wait_for_another(&first).await?;
    secured.renew()?;
    let third = secured.wait_for_another(&second).await?;

    fs::write(secured.folder.path().join("site.pem"), "no certificate at all\n")?;
    secured.hang_up()?;
    secured.wait_for_line("there is no certificate in PEM").await?;
    secured.renew()?;
    let fourth = secured.wait_for_another(&third).await?;
    let elsewhere = tempfile::tempdir()?;
    let strange = secured.authority.issue(elsewhere.path(), 2)?.key;
    fs::write(secured.folder.path().join("site.key"), fs::read(strange)?)?;
    secured.hang_up()?;
    secured.wait_for_line("this is not the key of the certificate").await?;
    assert_eq!(secured.shown().await?, fourth);
    Ok(())
}

#[tokio::test]
async fn a_supervisor_from_before_the_certificate_opens_it_too() -> Result<()> {
    let secured = Secured::start_late()?;
    let first = secured.shown().await?;
    secured.renew()?;
    secured.hang_up()?;
    secured.wait_for_another(&first).await.map(drop)
}

#[tokio::test]
async fn plain_http_is_sent_elsewhere_and_silence_is_cut_off() -> Result<()> {
    let secured = Secured::start()?;
    let host = secured.node.address();
    let plain = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let answer = plain.get(format!("http://{host}/s/x?a=b")).send().await?;
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.headers()["location"], format!("https://{host}/s/x?a=b").as_str());
    let answer = plain.post(format!("http://{host}/api/v1/sessions")).send().await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await?.contains("https://"));

    for start in [&b""[..], &[22, 3, 1]] {
        let mut silent = TcpStream::connect(host).await?;
        silent.write_all(start).await?;
        let end = tokio::time::timeout(Duration::from_secs(20), silent.read(&mut [0; 64])).await?;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    Ok(())
}

#[tokio::test]
async fn http2_announces_its_bounds_and_no_websockets() -> Result<()> {
    const BOUNDS: [u16; 3] = [3, 4, 6];
    const EXTENDED_CONNECT: u16 = 8;
    let secured = Secured::start()?;
    let mut stream = secured.connect(&["h2"]).await?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [0, high, low, 4, ..] = head else { anyhow::bail!("no settings: {head:?}") };
    let mut settings = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    stream.read_exact(&mut settings).await?;
    let names: Vec<u16> = settings.chunks_exact(6).map(|one| u16::from_be_bytes([one[0], one[1]])).collect();
    assert!(BOUNDS.iter().all(|bound| names.contains(bound)), "{names:?}");
    assert!(!names.contains(&EXTENDED_CONNECT), "{names:?}");
    Ok(())
}

#[test]
fn a_start_with_a_bad_pair_says_what_is_wrong() -> Result<()> {
    let (authority, folder, other) = (Authority::new()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let files = authority.issue(folder.path(), 2)?;
    let strange = authority.issue(other.path(), 2)?.key;
    let missing = folder.path().join("missing");
    for (certificate, key, text) in [
        (&missing, &files.key, "missing"),
        (&files.key, &files.key, "tls-cert: there is no certificate"),
        (&files.certificate, &files.certificate, "tls-key: there is no private key"),
        (&files.certificate, &strange, "this is not the key"),
        (&folder.path().to_owned(), &files.key, "regular file"),
    ] {
        let pair = TlsFiles { certificate: certificate.clone(), key: key.clone() };
        let started = TestNode::with(Options { arguments: arguments(&pair), ..Options::default() });
        let error = format!("{:?}", started.err().context("it started")?);
        ensure!(error.contains(text), "{text}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn an_expired_certificate_is_warned_of_and_doctor_tells_its_days() -> Result<()> {
    let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
    let files = authority.issue_expired(folder.path())?;
    let node = TestNode::with(Options { arguments: arguments(&files), ..Options::default() })?;
    assert!(node.log().contains("the site's certificate has expired"), "{}", node.log());
    let doctor = |files: &TlsFiles| -> Result<String> {
        let output = node.command(&["doctor"])?.args(arguments(files)).output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    let said = doctor(&files)?;
    ensure!(said.contains("warn  tls: ") && said.contains("expired"), "{said}");
    let said = doctor(&authority.issue(folder.path(), 40)?)?;
    ensure!(said.contains("ok    tls: ") && said.contains("39 days"), "{said}");
    let said = doctor(&TlsFiles { certificate: files.key.clone(), key: files.key })?;
    ensure!(said.contains("FAIL  tls: "), "{said}");
    Ok(())
}

#[tokio::test]
async fn without_a_certificate_the_signal_changes_nothing() -> Result<()> {
    let node = TestNode::start()?;
    kill(Pid::from_raw(node.serve_pid()?.cast_signed()), Signal::SIGHUP)?;
    wait::until("the line", PATIENCE, || node.log().contains("no certificate to read").then_some(()))?;
    let answer = Api::new(&node.url())?.http().get(node.url()).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(())
}
