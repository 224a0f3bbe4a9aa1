//! The words of others in our sentences: bounded, printable.

use std::fmt;

use serde::Deserialize;

/// Longest text of a registry's own that is shown.
const MAX_SAID_CHARS: usize = 300;

/// Foreign text as one line of bounded length without control characters.
pub(in crate::registry) fn printable(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.filter(|c| !is_invisible(*c)).take(MAX_SAID_CHARS).collect::<String>().trim().to_owned()
}

/// Characters that change how the text around them is shown.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What a registry says about a failure (distribution spec, "Error Codes"): bounded, one line, printable. Empty where it
/// says nothing that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    codes: Vec<String>,
    text: String,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    errors: Vec<Item>,
    /// Token servers say it so.
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Said {
    /// From the body of a failed answer.
    pub(in crate::registry) fn read(body: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice::<Document>(body) else { return Self::default() };
        let errors = document.errors.iter().take(3);
        let codes = errors.clone().map(|item| printable(&item.code)).collect();
        let lines = errors.map(|item| format!("{}: {}", item.code, item.message));
        let text = lines.chain(document.details).collect::<Vec<_>>().join("; ");
        Self { codes, text: printable(&text) }
    }

    /// Whether one of the errors has this code.
    pub(in crate::registry) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|own| own.eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { Ok(()) } else { write!(f, " (it says: {})", self.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_registry_are_bounded_and_printable() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m \u202eway"},{"code":"X"}]}"#;
        let said = Said::read(body);
        assert_eq!(said.to_string(), " (it says: DENIED: no [31m way; X:)");
        assert!(said.has_code("denied") && !said.has_code("y"));
        let long = format!(r#"{{"errors":[{{"code":"A","message":"{}"}}]}}"#, "m".repeat(10_000));
        assert!(Said::read(long.as_bytes()).to_string().len() < 350);
    }

    #[test]
    fn pages_and_nonsense_say_nothing() {
        for body in ["", "<html>502</html>", "{", "[]", r#"{"errors":7}"#] {
            assert_eq!(Said::read(body.as_bytes()), Said::default(), "{body}");
        }
    }
}
