//! Reading `WWW-Authenticate` (RFC 9110, section 11.6.1; RFC 6750, section 3). Foreign text: bounded, and never an error;
//! what cannot be read ends the list.

/// Longest header that is read, in bytes.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Most challenges of one header.
const MAX_CHALLENGES: usize = 8;

/// One way to prove who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Lower case: `basic`, `bearer`.
    pub scheme: String,
    /// Names in lower case, in the order of the header.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// All challenges of one header.
    pub fn parse(header: &str) -> Vec<Self> {
        let mut rest = Text(header.get(..MAX_HEADER_BYTES).unwrap_or(header));
        let mut found: Vec<Self> = Vec::new();
        if header.len() > MAX_HEADER_BYTES {
            return found;
        }
        while found.len() < MAX_CHALLENGES {
            rest.skip(|c| c == ',' || is_space(c));
            let Some(scheme) = rest.token() else { break };
            let mut challenge = Self { scheme: scheme.to_ascii_lowercase(), parameters: Vec::new() };
            challenge.read_parameters(&mut rest);
            found.push(challenge);
        }
        found
    }

    /// The first parameter of this lower-case name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Reads `name=value` up to the next challenge: there a token stands without `=`.
    fn read_parameters(&mut self, rest: &mut Text<'_>) {
        loop {
            let before = *rest;
            rest.skip(|c| c == ',' || is_space(c));
            match rest.parameter() {
                Some((name, value)) => self.parameters.push((name.to_ascii_lowercase(), value)),
                None => {
                    *rest = before;
                    return;
                }
            }
        }
    }
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// RFC 9110, section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(is_skipped);
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    fn parameter(&mut self) -> Option<(&'a str, String)> {
        let name = self.token()?;
        self.skip(is_space);
        self.0 = self.0.strip_prefix('=')?;
        self.skip(is_space);
        let value = if self.0.starts_with('"') { self.quoted()? } else { self.token()?.to_owned() };
        Some((name, value))
    }

    /// RFC 9110, section 5.6.4; the opening quote is not read yet.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.0.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                _ => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_registrys_challenge_is_read() {
        let header = r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push",error=insufficient_scope"#;
        let [challenge] = Challenge::parse(header).try_into().unwrap();
        assert_eq!(challenge.scheme, "bearer");
        assert_eq!(challenge.parameter("realm"), Some("https://auth.example/token"));
        assert_eq!(challenge.parameter("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(challenge.parameter("error"), Some("insufficient_scope"));
        assert_eq!(challenge.parameter("other"), None);
    }

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let found = Challenge::parse(r#"Newauth realm="a, \"b\"" , title = x, BASIC realm=simple, Bearer"#);
        let schemes: Vec<&str> = found.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["newauth", "basic", "bearer"]);
        assert_eq!(found[0].parameter("realm"), Some("a, \"b\""));
        assert_eq!(found[1].parameter("realm"), Some("simple"));
    }

    #[test]
    fn nonsense_ends_the_list() {
        for header in ["", ",,,", "\"", "=", "Bearer realm=\"open", "ä"] {
            assert!(Challenge::parse(header).len() <= 2, "{header}");
        }
        assert!(Challenge::parse(&"a,".repeat(100_000)).is_empty());
        assert!(Challenge::parse(&"a,".repeat(1000)).len() <= MAX_CHALLENGES);
    }

    proptest! {
        #[test]
        fn any_header_is_survived(header in "\\PC{0,200}") {
            for challenge in Challenge::parse(&header) {
                prop_assert!(!challenge.scheme.is_empty());
            }
        }

        #[test]
        fn a_quoted_value_reads_as_it_was_written(value in "[ -~]{0,60}", name in "[a-z]{1,9}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let found = Challenge::parse(&format!("Bearer first=1, {name}=\"{quoted}\", Basic realm=x"));
            prop_assert_eq!(found.len(), 2);
            let expected = if name == "first" { "1" } else { value.as_str() };
            prop_assert_eq!(found[0].parameter(&name), Some(expected));
        }
    }
}
