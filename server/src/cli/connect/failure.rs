//! Why a site is not reached, and what to do about it.

use std::error::Error as StdError;

use anyhow::{Error, anyhow};
use reqwest::{Response, StatusCode};

/// What the HTTP client failed with, in words. The address of the session stays out.
pub(super) fn said(place: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(known) = known(place, innermost(current)) {
            return known;
        }
        cause = current.source();
    }
    Error::new(error).context(format!("reach {place}"))
}

/// Failures with something to do about them.
fn known(place: &str, cause: &(dyn StdError + 'static)) -> Option<Error> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls(place, error));
    }
    if let Some(error) = cause.downcast_ref::<crate::registry::NoAddress>() {
        return Some(anyhow!("{error}: is the name right, and is this computer on the network?"));
    }
    let io = cause.downcast_ref::<std::io::Error>()?;
    Some(match io.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            anyhow!("nothing answers at {place}: is the address right, and does Sandlot run there?")
        }
        std::io::ErrorKind::HostUnreachable
        | std::io::ErrorKind::NetworkUnreachable
        | std::io::ErrorKind::TimedOut => anyhow!("{place} is not reached from this computer: {io}"),
        _ => return None,
    })
}

fn tls(place: &str, error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(why) => anyhow!(
            "this computer does not trust the certificate of {place} ({why:?}); if it is your own authority's, name that \
             authority's certificate: SSL_CERT_FILE=FILE sandlot connect ..."
        ),
        rustls::Error::InvalidMessage(_) => {
            anyhow!("{place} speaks no TLS: does the address begin with http:// instead of https://?")
        }
        other => anyhow!("{place} and this computer agree on no TLS: {other}"),
    }
}

/// What an input-output error was made of: it hides that from `source`, and may hide another of its kind.
fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    inner.map_or(error, |inner| innermost(inner))
}

/// What an answer that is none of a session says.
pub(super) async fn refused(place: &str, answer: Response) -> Error {
    let status = answer.status();
    let problem: serde_json::Value = answer.json().await.unwrap_or_default();
    match (status, problem.get("detail").and_then(serde_json::Value::as_str)) {
        (StatusCode::NOT_FOUND | StatusCode::GONE, None) => {
            anyhow!("there is no session at this address: it has ended, or the address is not whole")
        }
        (_, Some(detail)) => anyhow!("connect: {detail}"),
        (status, None) => anyhow!("{place} answers {status}, which is not what a site of Sandlot says"),
    }
}
