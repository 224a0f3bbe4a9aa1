//! The flags of an instruction: `--name=value` words before its arguments.

use super::words::unquoted;
use super::{Error, Result};

/// Flags of one instruction, each with its line for errors.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    line: usize,
    given: Vec<(String, Option<String>)>,
}

impl Flags {
    /// Takes the flags off the front of `rest`; returns what follows them.
    pub fn take(rest: &str, escape: char, line: usize) -> (Self, &str) {
        let mut flags = Self { line, given: Vec::new() };
        let mut rest = rest.trim_start();
        while rest.starts_with("--") {
            let end = word_end(rest, escape);
            let (word, after) = rest.split_at(end);
            rest = after.trim_start();
            if word == "--" {
                break;
            }
            let word = unquoted(word, escape);
            let word = word.trim_start_matches('-');
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word, None),
            };
            flags.given.push((name.to_owned(), value));
        }
        (flags, rest)
    }

    /// The last value of a flag that needs one.
    ///
    /// # Errors
    /// When it was given without a value.
    pub fn value(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.values(name)?.pop())
    }

    /// All values of a flag that may be repeated.
    ///
    /// # Errors
    /// When it was given without a value.
    pub fn values(&mut self, name: &str) -> Result<Vec<String>> {
        let taken: Vec<_> = self.given.extract_if(.., |(given, _)| given == name).collect();
        let value = |(_, value): (String, Option<String>)| {
            value.ok_or_else(|| Error::at(self.line, format!("--{name} needs a value: --{name}=…")))
        };
        taken.into_iter().map(value).collect()
    }

    /// A flag that is on or off.
    ///
    /// # Errors
    /// When its value is neither true nor false.
    pub fn switch(&mut self, name: &str) -> Result<bool> {
        let mut taken = self.given.extract_if(.., |(given, _)| given == name).collect::<Vec<_>>();
        match taken.pop().map(|(_, value)| value) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(value)) => match value.as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                other => Err(Error::at(self.line, format!("--{name}={other}: must be true or false"))),
            },
        }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// With the first flag that nobody took.
    pub fn finish(self, keyword: &str, known: &[&str]) -> Result<()> {
        let Some((name, _)) = self.given.first() else { return Ok(()) };
        let known = match known {
            [] => "it has none".to_owned(),
            known => format!("it has --{}", known.join(", --")),
        };
        Err(Error::at(self.line, format!("{keyword} has no flag --{name}; {known}")))
    }
}

fn word_end(text: &str, escape: char) -> usize {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return at,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ if c == escape => drop(chars.next()),
            _ => {}
        }
    }
    text.len()
}
