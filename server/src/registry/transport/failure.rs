//! What a failure of the HTTP client was: found in its causes, by kind.

use std::error::Error as StdError;

use crate::registry::Error;
use crate::registry::error::{chain, printable};
use crate::registry::names::NoAddress;

/// What a failure of the HTTP client was. Its URL stays out: it may hold the state of an upload.
pub(in crate::registry) fn failed(what: &str, host: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let host = host.to_owned();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(known) = known(&host, current) {
            return known;
        }
        cause = current.source();
    }
    let what = what.to_owned();
    if error.is_timeout() {
        return Error::TooSlow { what, host, why: "no connection came about in time" };
    }
    Error::Connection { what, host, detail: chain(&error) }
}

/// Failures with a name of their own.
fn known(host: &str, error: &(dyn StdError + 'static)) -> Option<Error> {
    let host = host.to_owned();
    if let Some(error) = innermost(error).downcast_ref::<rustls::Error>() {
        let certificate = matches!(error, rustls::Error::InvalidCertificate(_));
        return Some(Error::Tls { host, detail: printable(&error.to_string()), certificate });
    }
    match error.downcast_ref::<NoAddress>()? {
        NoAddress::Unknown(name) => Some(Error::NoSuchHost { host: name.clone() }),
        NoAddress::Refused { address, why } => Some(Error::Address { host, address: Some(*address), why }),
        NoAddress::Failed { .. } => None,
    }
}

/// What an input-output error was made of: it hides that from `source`, and may hide another of its kind.
fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    inner.map_or(error, |inner| innermost(inner))
}
