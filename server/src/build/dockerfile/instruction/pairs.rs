//! `name=value` arguments of ENV, LABEL and ARG.

use crate::build::dockerfile::words::{raw_words, unquoted};
use crate::build::dockerfile::{Error, Result};

/// `NAME=VALUE …`, or the old form `NAME VALUE`, in which the value goes on to the end of the line.
pub(super) fn pairs(keyword: &str, rest: &str, escape: char, line: usize) -> Result<Vec<(String, String)>> {
    let words = raw_words(rest, escape);
    if words.first().is_some_and(|word| !word.contains('=')) {
        let Some((name, value)) = rest.split_once(char::is_whitespace) else {
            return Err(Error::at(line, format!("{keyword} {rest}: must be {keyword} NAME=VALUE")));
        };
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((unquoted(name, escape), value.to_owned())),
        _ => Err(Error::at(line, format!("{keyword} `{word}`: must be NAME=VALUE"))),
    };
    words.iter().map(pair).collect()
}

/// `NAME` or `NAME=DEFAULT`, one or more.
pub(super) fn arguments(rest: &str, escape: char, line: usize) -> Result<Vec<(String, Option<String>)>> {
    let argument = |word: &String| {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if name.is_empty() {
            return Err(Error::at(line, format!("ARG `{word}`: must be NAME or NAME=DEFAULT")));
        }
        Ok((name.to_owned(), value))
    };
    raw_words(rest, escape).iter().map(argument).collect()
}
