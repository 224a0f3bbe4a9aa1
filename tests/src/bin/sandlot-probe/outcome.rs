//! What came of an attack.

use std::fmt::Display;
use std::io;
use std::str::FromStr;

use nix::errno::Errno;

/// The three ends of an attack.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The container let it through; what was reached.
    Succeeded(String),
    /// It was refused; by which error.
    Refused(String),
    /// It could not be tried, which proves nothing.
    NotTried(String),
}

impl Outcome {
    /// Success when `result` is one.
    pub(crate) fn of<T, E: Display>(what: &str, result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Succeeded(what.to_owned()),
            Err(error) => Self::Refused(format!("{what}: {error}")),
        }
    }

    /// Success when one of the attempts was one; otherwise all refusals.
    pub(crate) fn any(attempts: impl IntoIterator<Item = Self>) -> Self {
        let mut refusals = Vec::new();
        for attempt in attempts {
            match attempt {
                Self::Refused(why) => refusals.push(why),
                other => return other,
            }
        }
        match refusals.is_empty() {
            true => Self::NotTried("nothing to try".to_owned()),
            false => Self::Refused(refusals.join("; ")),
        }
    }

    /// For a preparation that must work, or the attack proves nothing.
    pub(crate) fn unprepared(what: &str, error: impl Display) -> Self {
        Self::NotTried(format!("{what}: {error}"))
    }
}

/// The argument at `index`.
pub(crate) fn argument<T: FromStr>(arguments: &[String], index: usize) -> Result<T, Outcome> {
    let text =
        arguments.get(index).ok_or_else(|| Outcome::NotTried(format!("argument {index} is missing")))?;
    text.parse().map_err(|_| Outcome::NotTried(format!("argument `{text}` is not understood")))
}

/// The error number of an i/o error.
pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}
