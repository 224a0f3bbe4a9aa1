//! What can go wrong with a registry. Callers match on the variant; the text is safe to show to whoever asked.

mod said;

use std::error::Error as StdError;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use sandlot_runtime::image::Digest;

pub use said::Said;
pub(super) use said::printable;

/// A failed request to a registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry answers, and does not have it.
    #[error("{what} is not at {host}{said}")]
    NotFound {
        /// What was asked for, such as ``manifest `library/alpine:3` ``.
        what: String,
        /// Who was asked.
        host: String,
        /// Its words.
        said: Said,
    },
    /// It wants other credentials, or any.
    #[error("{what} at {host} needs a login, or does not exist{said}; log in to {host} and try again")]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// Its words.
        said: Said,
    },
    /// It knows who asks, and refuses.
    #[error("{host} refuses access to {what}{said}; ask its owner for the right to it")]
    Denied {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// Its words.
        said: Said,
    },
    /// Too many requests, also after waiting as long as the settings allow.
    #[error("{host} limits how much may be pulled{said}; {}", when(.retry_after))]
    RateLimited {
        /// Who was asked.
        host: String,
        /// When it says that it will answer again.
        retry_after: Option<Duration>,
        /// Its words.
        said: Said,
    },
    /// The host is, or leads to, an address that whoever asks may not reach.
    #[error("{host} may not be reached from here: {}{why}", shown(.address))]
    Address {
        /// The host as it was named.
        host: String,
        /// The address behind it, where one was found.
        address: Option<IpAddr>,
        /// Which rule forbids it.
        why: &'static str,
    },
    /// A plain connection to a host that is not listed for it.
    #[error(
        "{host} is only reached by an unencrypted connection; list it as a plain-http registry if that is meant"
    )]
    Plain {
        /// The host.
        host: String,
    },
    /// No secure connection comes about.
    #[error("make a secure connection to {host}: {detail}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        detail: String,
        /// Whether the other side spoke TLS and its certificate was refused.
        certificate: bool,
    },
    /// No answer, or fewer bytes in a time than the settings demand.
    #[error("{what}: {host} is too slow: {why}")]
    TooSlow {
        /// What was being done.
        what: String,
        /// Who is slow.
        host: String,
        /// What was expected.
        why: &'static str,
    },
    /// More bytes than were promised or are accepted.
    #[error("{what} at {host} is larger than {limit} bytes, and was cut off")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// Who sent it.
        host: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// Other content than its digest says.
    #[error("{what} at {host} has other content than its digest: expected {expected}, found {found}")]
    Mismatch {
        /// What was asked for.
        what: String,
        /// Who sent it.
        host: String,
        /// What was asked for or promised.
        expected: Box<Digest>,
        /// What came.
        found: Box<Digest>,
    },
    /// The registry's answer cannot be read as the specification has it.
    #[error("{what}: {host} answers against the rules: {detail}")]
    Protocol {
        /// What was asked for.
        what: String,
        /// Who answered.
        host: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It refuses the request itself.
    #[error("{what}: {host} refuses it with status {status}{said}")]
    Rejected {
        /// What was asked for.
        what: String,
        /// Who refuses.
        host: String,
        /// The HTTP status, 4xx.
        status: u16,
        /// Its words.
        said: Said,
    },
    /// The registry fails, also after all retries.
    #[error("{what}: {host} fails with status {status}{said}; try again later")]
    Failing {
        /// What was asked for.
        what: String,
        /// Who fails.
        host: String,
        /// The HTTP status, 5xx or 408.
        status: u16,
        /// Its words.
        said: Said,
    },
    /// The host's name has no address.
    #[error("look up `{host}`: there is no such host")]
    NoSuchHost {
        /// The name.
        host: String,
    },
    /// No connection, or it broke.
    #[error("{what}: talk to {host}: {detail}")]
    Connection {
        /// What was being done.
        what: String,
        /// The other side.
        host: String,
        /// What failed, with its causes.
        detail: String,
    },
    /// The content cannot be read or written on this side.
    #[error("{action} the content of {what}")]
    Content {
        /// `read` or `write`.
        action: &'static str,
        /// What was being pushed or pulled.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of a setting cannot be used.
    #[error("read `{}`: {detail}", .path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The HTTP client or the resolver cannot be made.
    #[error("prepare the client of registries: {0}")]
    Prepare(String),
}

impl Error {
    /// Whether the same request may well succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connection { .. } | Self::TooSlow { .. } | Self::Failing { .. })
    }
}

fn when(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("try again in {} s", wait.as_secs().max(1)),
        None => "log in for a higher limit, or try again later".to_owned(),
    }
}

fn shown(address: &Option<IpAddr>) -> String {
    address.map(|address| format!("{address} is ")).unwrap_or_default()
}

/// An error with its causes in one line, and without the words that are in the line already.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    printable(&line)
}
