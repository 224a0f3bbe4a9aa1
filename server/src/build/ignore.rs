//! `.dockerignore`, as Docker reads it: the last rule that fits decides, and a rule that fits a folder fits what is in it.

use super::glob::Glob;

/// Rules of one file, at most.
const MAX_RULES: usize = 10_000;

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    glob: Glob,
    /// Fits what is to be kept after all.
    keeps: bool,
}

impl Ignore {
    /// Reads rules, one a line.
    ///
    /// # Errors
    /// When a pattern has no end, or there are too many.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let line = line.trim();
            let (keeps, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            if pattern.is_empty() {
                if keeps {
                    return Err("a rule is only `!`".to_owned());
                }
                continue;
            }
            if rules.len() == MAX_RULES {
                return Err(format!("more than {MAX_RULES} rules"));
            }
            rules.push(Rule { glob: Glob::of_any_depth(&clean(pattern))?, keeps });
        }
        Ok(Self(rules))
    }

    /// Whether a path, without a slash at its beginning, is left out.
    pub fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for rule in &self.0 {
            // A rule can change something only one way.
            if rule.keeps == excluded && rule.fits(path) {
                excluded = !rule.keeps;
            }
        }
        excluded
    }
}

impl Rule {
    fn fits(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| path.get(..at).unwrap_or_default());
        self.glob.matches(path) || folders.into_iter().any(|folder| self.glob.matches(folder))
    }
}

/// As Go's `filepath.Clean`, without a slash at the beginning.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded<'a>(rules: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Ignore::parse(rules).unwrap();
        paths.iter().copied().filter(|path| ignore.excludes(path)).collect()
    }

    #[test]
    fn rules_are_read_as_docker_reads_them() {
        let paths = ["a", "a/b", "README.md", "docs/README.md", "x.tmp", "d/x.tmp", "#x"];
        assert_eq!(excluded("a", &paths), ["a", "a/b"]);
        assert_eq!(excluded(" /a/ \n", &paths), ["a", "a/b"]);
        assert_eq!(excluded("*.tmp", &paths), ["x.tmp"]);
        assert_eq!(excluded("**/*.tmp", &paths), ["x.tmp", "d/x.tmp"]);
        assert_eq!(excluded("*.md\n!README.md", &paths), [""; 0]);
        assert_eq!(excluded("# a\n\n#x", &paths), [""; 0]);
        assert_eq!(excluded("\\#x", &paths), ["#x"]);
        assert_eq!(
            excluded("*\n!a/b\n", &paths),
            ["a", "README.md", "docs/README.md", "x.tmp", "d/x.tmp", "#x"]
        );
        assert_eq!(excluded("!a\na", &paths), ["a", "a/b"]);
        assert_eq!(excluded("x/../a", &paths), ["a", "a/b"]);
        assert!(Ignore::parse("!").is_err());
        assert!(Ignore::parse("[").is_err());
    }
}
