//! Replacing variables, as BuildKit's shell lexer does: quotes and escapes go, `$name` and every `${}` form are replaced.

use super::pattern::Pattern;

/// Longest text that one replacement may give: `ENV a=$a$a` doubles it each time.
const MAX_BYTES: usize = 256 * 1024;
/// Words inside words that are followed.
const MAX_DEPTH: usize = 32;

/// What variables stand for.
pub trait Variables {
    /// The value of a variable, if it is set.
    fn get(&self, name: &str) -> Option<&str>;
}

impl Variables for std::collections::BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        std::collections::BTreeMap::get(self, name).map(String::as_str)
    }
}

/// Replaces variables in one word and takes its quotes and escapes away.
///
/// # Errors
/// With what is wrong with the word, as a sentence.
pub fn word(text: &str, escape: char, variables: &dyn Variables) -> Result<String, String> {
    let mut reader = Reader::new(text, escape, variables);
    reader.take(None, 0)?;
    Ok(reader.out)
}

/// As [`word`], and then parts the result at white space that was in no quotes.
///
/// # Errors
/// As [`word`].
pub fn words(text: &str, escape: char, variables: &dyn Variables) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for raw in super::words::raw_words(text, escape) {
        let expanded = word(&raw, escape, variables)?;
        match raw.starts_with(['"', '\'']) {
            true => words.push(expanded),
            false => words.extend(expanded.split_whitespace().map(str::to_owned)),
        }
    }
    Ok(words)
}

/// Replaces variables in the text of a heredoc: quotes mean themselves there.
///
/// # Errors
/// As [`word`].
pub fn document(text: &str, escape: char, variables: &dyn Variables) -> Result<String, String> {
    let mut reader = Reader::new(text, escape, variables);
    reader.keeps_quotes = true;
    reader.take(None, 0)?;
    Ok(reader.out)
}

struct Reader<'a> {
    chars: std::iter::Peekable<std::vec::IntoIter<char>>,
    escape: char,
    variables: &'a dyn Variables,
    keeps_quotes: bool,
    out: String,
}

impl<'a> Reader<'a> {
    fn new(text: &str, escape: char, variables: &'a dyn Variables) -> Self {
        let chars = text.chars().collect::<Vec<_>>().into_iter().peekable();
        Self { chars, escape, variables, keeps_quotes: false, out: String::new() }
    }

    /// Up to the end, or behind `stop`.
    fn take(&mut self, stop: Option<char>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} variables inside each other"));
        }
        while let Some(c) = self.chars.next() {
            match c {
                _ if stop == Some(c) => return Ok(()),
                '\'' if !self.keeps_quotes => self.take_single()?,
                '"' if !self.keeps_quotes => self.take_double(depth)?,
                '$' => self.take_variable(depth)?,
                _ if c == self.escape => self.take_escaped(),
                _ => self.out.push(c),
            }
            self.check()?;
        }
        stop.map_or(Ok(()), |stop| Err(format!("`{stop}` is missing at the end of a variable")))
    }

    fn take_escaped(&mut self) {
        match self.chars.next() {
            // In a document only what would else be replaced needs one.
            Some(next) if self.keeps_quotes && next != '$' && next != self.escape => {
                self.out.push(self.escape);
                self.out.push(next);
            }
            Some(next) => self.out.push(next),
            None => self.out.push(self.escape),
        }
    }

    fn take_single(&mut self) -> Result<(), String> {
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.out.push(c),
                None => return Err("a single quote has no end".to_owned()),
            }
        }
    }

    fn take_double(&mut self, depth: usize) -> Result<(), String> {
        loop {
            match self.chars.next() {
                Some('"') => return Ok(()),
                Some('$') => self.take_variable(depth)?,
                Some(c) if c == self.escape => match self.chars.next() {
                    Some(next) if matches!(next, '"' | '$') || next == self.escape => self.out.push(next),
                    Some(next) => self.out.extend([c, next]),
                    None => return Err("a double quote has no end".to_owned()),
                },
                Some(c) => self.out.push(c),
                None => return Err("a double quote has no end".to_owned()),
            }
            self.check()?;
        }
    }

    fn take_variable(&mut self, depth: usize) -> Result<(), String> {
        if self.chars.next_if_eq(&'{').is_some() {
            return self.take_braced(depth);
        }
        let name = self.take_name();
        if name.is_empty() {
            self.out.push('$');
        } else if let Some(value) = self.variables.get(&name) {
            self.out.push_str(value);
        }
        Ok(())
    }

    fn take_name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            // Parameters of one character.
            Some(c) if c.is_ascii_digit() || matches!(c, '@' | '*' | '#') => name.extend(self.chars.next()),
            _ => {
                while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
            }
        }
        name
    }

    /// Behind `${`.
    fn take_braced(&mut self, depth: usize) -> Result<(), String> {
        let name = self.take_name();
        if name.is_empty() {
            return Err("a variable has no name".to_owned());
        }
        let value = self.variables.get(&name).map(str::to_owned);
        match self.chars.next() {
            Some('}') => self.out.push_str(value.as_deref().unwrap_or_default()),
            Some(':') => {
                let operator = self.chars.next().unwrap_or(' ');
                self.take_default(&name, operator, value.filter(|value| !value.is_empty()), depth)?;
            }
            Some(operator @ ('+' | '-' | '?')) => self.take_default(&name, operator, value, depth)?,
            Some(end @ ('#' | '%')) => {
                let longest = self.chars.next_if_eq(&end).is_some();
                let pattern = self.inner(Some('}'), depth)?;
                let value = value.unwrap_or_default();
                self.out.push_str(&trimmed(&value, &pattern, end == '%', longest));
            }
            Some('/') => {
                let all = self.chars.next_if_eq(&'/').is_some();
                let pattern = self.inner(Some('/'), depth)?;
                let replacement = self.inner(Some('}'), depth)?;
                let value = value.unwrap_or_default();
                self.out.push_str(&replaced(&value, &pattern, &replacement, all));
            }
            Some(other) => return Err(format!("`{other}` in variable {name} is no known modifier")),
            None => return Err(format!("`}}` is missing behind variable {name}")),
        }
        self.check()
    }

    fn take_default(
        &mut self,
        name: &str,
        operator: char,
        value: Option<String>,
        depth: usize,
    ) -> Result<(), String> {
        let other = self.inner(Some('}'), depth)?;
        match (operator, value) {
            ('-', value) => self.out.push_str(&value.unwrap_or(other)),
            ('+', Some(_)) => self.out.push_str(&other),
            ('+', None) => {}
            ('?', Some(value)) => self.out.push_str(&value),
            ('?', None) if other.is_empty() => return Err(format!("variable {name} must be set")),
            ('?', None) => return Err(format!("variable {name}: {other}")),
            _ => return Err(format!("`:{operator}` in variable {name} is no known modifier")),
        }
        Ok(())
    }

    /// A word inside braces, on its own.
    fn inner(&mut self, stop: Option<char>, depth: usize) -> Result<String, String> {
        let outer = std::mem::take(&mut self.out);
        let taken = self.take(stop, depth + 1);
        let inner = std::mem::replace(&mut self.out, outer);
        taken.map(|()| inner)
    }

    fn check(&self) -> Result<(), String> {
        if self.out.len() > MAX_BYTES {
            Err(format!("it becomes longer than {MAX_BYTES} bytes"))
        } else {
            Ok(())
        }
    }
}

fn trimmed(value: &str, pattern: &str, at_end: bool, longest: bool) -> String {
    let mut chars: Vec<char> = value.chars().collect();
    let mut pattern = Pattern::new(pattern);
    if at_end {
        chars.reverse();
        pattern = pattern.reversed();
    }
    let lengths = pattern.beginnings(&chars);
    let length = if longest { lengths.last() } else { lengths.first() };
    chars.drain(..length.copied().unwrap_or(0));
    if at_end {
        chars.reverse();
    }
    chars.into_iter().collect()
}

fn replaced(value: &str, pattern: &str, replacement: &str, all: bool) -> String {
    let chars: Vec<char> = value.chars().collect();
    let pattern = Pattern::new(pattern);
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() && out.len() <= MAX_BYTES {
        let rest = chars.get(at..).unwrap_or_default();
        match pattern.beginnings(rest).last().copied().filter(|length| *length > 0) {
            Some(length) => {
                out.push_str(replacement);
                at += length;
                if !all {
                    break;
                }
            }
            None => {
                out.extend(rest.first());
                at += 1;
            }
        }
    }
    out.extend(chars.get(at..).unwrap_or_default());
    out
}
