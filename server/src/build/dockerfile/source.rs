//! The text of a Dockerfile as statements: continued lines joined, comments left out, heredocs taken.

use super::words::{raw_words, unquoted};
use super::{Error, Result};

/// Largest Dockerfile that is read.
pub const MAX_BYTES: usize = 1 << 20;
/// Statements of one file, at most.
const MAX_STATEMENTS: usize = 10_000;
/// Instructions that take heredocs.
const WITH_HEREDOCS: [&str; 3] = ["RUN", "COPY", "ADD"];

/// One instruction as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its first line, from 1.
    pub line: usize,
    /// Its name in upper case.
    pub keyword: String,
    /// What follows the name, as one line.
    pub rest: String,
    /// The documents behind it, in order.
    pub heredocs: Vec<Heredoc>,
}

/// A document inside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// Its text; with `<<-` without leading tabs.
    pub content: String,
    /// Whether variables in it are replaced: not if the word was quoted.
    pub expands: bool,
    /// The descriptor that a shell would put it on.
    pub descriptor: u32,
}

/// A file as statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The character that takes the meaning of the next one away and continues lines.
    pub escape: char,
    /// In their order.
    pub statements: Vec<Statement>,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When a directive is wrong, a heredoc has no end, or the file is too large.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(Error::at(1, format!("it is larger than {MAX_BYTES} bytes")));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let escape = escape_directive(text)?;
        let mut lines =
            Lines { lines: text.lines().enumerate().map(|(n, line)| (n + 1, line)).collect(), at: 0 };
        let mut statements = Vec::new();
        while let Some((line, logical)) = lines.next_statement(escape) {
            if statements.len() == MAX_STATEMENTS {
                return Err(Error::at(line, format!("more than {MAX_STATEMENTS} instructions")));
            }
            statements.push(statement(line, &logical, escape, &mut lines)?);
        }
        Ok(Self { escape, statements })
    }
}

/// Directives stand before everything else, each once.
fn escape_directive(text: &str) -> Result<char> {
    let mut seen = Vec::new();
    let mut escape = '\\';
    for (number, line) in text.lines().enumerate() {
        let Some((key, value)) = directive(line) else { break };
        if seen.contains(&key) {
            return Err(Error::at(number + 1, format!("the directive `{key}` may be given only once")));
        }
        if key == "escape" {
            escape = match value {
                "\\" => '\\',
                "`" => '`',
                other => {
                    return Err(Error::at(number + 1, format!("escape `{other}`: must be \\ or `")));
                }
            };
        }
        seen.push(key);
    }
    Ok(escape)
}

fn directive(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let key = key.trim().to_lowercase();
    ["syntax", "escape", "check"].contains(&key.as_str()).then_some((key, value.trim()))
}

/// The lines of the file, as far as they are read.
struct Lines<'a> {
    lines: Vec<(usize, &'a str)>,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let line = self.lines.get(self.at).copied();
        self.at += 1;
        line
    }

    /// Joins lines up to one that is not continued; empty ones and comments in between do not count.
    fn next_statement(&mut self, escape: char) -> Option<(usize, String)> {
        let (first, mut logical, mut goes_on) = loop {
            let (number, line) = self.next()?;
            if !is_nothing(line) {
                let (part, goes_on) = continued(line.trim_start(), escape);
                break (number, part.to_owned(), goes_on);
            }
        };
        while goes_on {
            let Some((_, line)) = self.next() else { break };
            if is_nothing(line) {
                continue;
            }
            let part;
            (part, goes_on) = continued(line, escape);
            logical.push_str(part);
        }
        Some((first, logical))
    }

    fn heredoc(&mut self, line: usize, heredoc: &mut Heredoc, strips: bool) -> Result<()> {
        loop {
            let Some((_, text)) = self.next() else {
                return Err(Error::at(
                    line,
                    format!("the heredoc has no line `{}` at its end", heredoc.name),
                ));
            };
            let text = if strips { text.trim_start_matches('\t') } else { text };
            if text == heredoc.name {
                return Ok(());
            }
            heredoc.content.push_str(text);
            heredoc.content.push('\n');
        }
    }
}

fn is_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The line without the mark that it goes on, and whether it does. Two marks are one that means itself.
fn continued(line: &str, escape: char) -> (&str, bool) {
    let end = line.trim_end_matches([' ', '\t']);
    match end.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest, true),
        _ => (line, false),
    }
}

fn statement(line: usize, logical: &str, escape: char, lines: &mut Lines<'_>) -> Result<Statement> {
    let logical = logical.trim();
    let (keyword, rest) = logical.split_once(char::is_whitespace).unwrap_or((logical, ""));
    let keyword = keyword.to_uppercase();
    let mut heredocs = Vec::new();
    // A trigger's documents are read when its image is built, and go with it.
    let subject = match keyword.as_str() {
        "ONBUILD" => rest.trim().split_once(char::is_whitespace).map(|(word, _)| word.to_uppercase()),
        word => Some(word.to_owned()),
    };
    if subject.is_some_and(|word| WITH_HEREDOCS.contains(&word.as_str()))
        && !rest.trim_start().starts_with('[')
    {
        for word in raw_words(rest, escape) {
            if let Some((mut heredoc, strips)) = heredoc_of(&word, escape) {
                lines.heredoc(line, &mut heredoc, strips)?;
                heredocs.push(heredoc);
            }
        }
    }
    Ok(Statement { line, keyword, rest: rest.trim().to_owned(), heredocs })
}

/// Reads `[n]<<[-]WORD`; also whether leading tabs are stripped.
pub(super) fn heredoc_of(word: &str, escape: char) -> Option<(Heredoc, bool)> {
    let (number, rest) = word.split_once("<<")?;
    let descriptor = if number.is_empty() { 0 } else { number.parse().ok()? };
    let strips = rest.starts_with('-');
    let quoted = rest.strip_prefix('-').unwrap_or(rest);
    let name = unquoted(quoted, escape);
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '<' | '>' | '|' | '&' | ';' | '(' | ')');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let expands = name == quoted;
    Some((Heredoc { name, content: String::new(), expands, descriptor }, strips))
}
