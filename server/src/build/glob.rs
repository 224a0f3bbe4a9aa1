//! Patterns of file names: Go's `filepath.Match`, which COPY uses, and with `**` what `.dockerignore` adds to it.

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    /// Any number of characters but `/`.
    Any,
    /// Any number of characters.
    AnyDepth,
    /// Nothing, or any number of characters and a `/`.
    Folders,
    /// One character but `/`.
    One,
    /// One of these ranges, or none of them; never `/`.
    Class { negated: bool, ranges: Vec<(char, char)> },
    /// This character.
    This(char),
}

/// A pattern, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Element>);

/// Whether a text has characters that make it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

impl Glob {
    /// As `filepath.Match` reads it.
    ///
    /// # Errors
    /// When a class or an escape has no end.
    pub fn new(text: &str) -> Result<Self, String> {
        Self::parse(text, false)
    }

    /// As `.dockerignore` reads it.
    ///
    /// # Errors
    /// As [`Glob::new`].
    pub fn of_any_depth(text: &str) -> Result<Self, String> {
        Self::parse(text, true)
    }

    fn parse(text: &str, any_depth: bool) -> Result<Self, String> {
        let mut elements = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            elements.push(match c {
                '*' if any_depth && chars.next_if_eq(&'*').is_some() => match chars.next_if_eq(&'/') {
                    Some(_) => Element::Folders,
                    None => Element::AnyDepth,
                },
                '*' => Element::Any,
                '?' => Element::One,
                '[' => class(&mut chars).ok_or_else(|| format!("pattern `{text}`: a [ has no end"))?,
                '\\' => {
                    Element::This(chars.next().ok_or_else(|| format!("pattern `{text}`: it ends with \\"))?)
                }
                c => Element::This(c),
            });
        }
        elements.dedup_by(|a, b| a == b && matches!(a, Element::Any | Element::AnyDepth | Element::Folders));
        Ok(Self(elements))
    }

    /// Whether the whole path matches. Takes time in proportion to pattern times path.
    pub fn matches(&self, path: &str) -> bool {
        let mut at = self.start();
        for c in path.chars() {
            at = self.step(&at, c);
        }
        at.last() == Some(&true)
    }

    fn start(&self) -> Vec<bool> {
        let mut at = vec![false; self.0.len() + 1];
        if let Some(first) = at.first_mut() {
            *first = true;
        }
        self.pass_empty(&mut at);
        at
    }

    /// Places behind one more character.
    fn step(&self, at: &[bool], c: char) -> Vec<bool> {
        let mut next = vec![false; self.0.len() + 1];
        for (place, element) in self.0.iter().enumerate().filter(|(place, _)| at.get(*place) == Some(&true)) {
            let (stays, goes) = match element {
                Element::Any => (c != '/', false),
                Element::AnyDepth => (true, false),
                // Inside the folders' names it stays, and only a slash ends them.
                Element::Folders => (true, c == '/'),
                Element::One => (false, c != '/'),
                Element::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                    (false, c != '/' && inside != *negated)
                }
                Element::This(wanted) => (false, *wanted == c),
            };
            for (to, holds) in [(place, stays), (place + 1, goes)] {
                if let Some(to) = next.get_mut(to).filter(|_| holds) {
                    *to = true;
                }
            }
        }
        // `Folders` is left by its slash only, once it has begun.
        self.pass_stars(&mut next);
        next
    }

    fn pass_stars(&self, at: &mut [bool]) {
        for (place, element) in self.0.iter().enumerate() {
            let empty = matches!(element, Element::Any | Element::AnyDepth);
            if empty && at.get(place) == Some(&true) {
                Self::set(at, place + 1);
                self.enter_folders(at, place + 1);
            }
        }
        for (place, element) in self.0.iter().enumerate() {
            // Reached just now from before: it may stand for nothing.
            if *element != Element::Folders && at.get(place + 1) == Some(&true) {
                self.enter_folders(at, place + 1);
            }
        }
    }

    fn pass_empty(&self, at: &mut [bool]) {
        self.enter_folders(at, 0);
        self.pass_stars(at);
    }

    /// Folders that begin here may be none.
    fn enter_folders(&self, at: &mut [bool], mut place: usize) {
        while self.0.get(place) == Some(&Element::Folders) {
            place += 1;
            Self::set(at, place);
        }
    }

    fn set(at: &mut [bool], place: usize) {
        if let Some(place) = at.get_mut(place) {
            *place = true;
        }
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Element> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Element::Class { negated, ranges }),
            '\\' => chars.next()?,
            c => c,
        };
        let high = match chars.next_if_eq(&'-') {
            Some(_) => match chars.next()? {
                '\\' => chars.next()?,
                c => c,
            },
            None => low,
        };
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_as_in_go() {
        for (pattern, path, matches) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a/b", false),
            ("a[^a]b", "a/b", false),
            ("[a-ζ]*", "α", true),
            ("*.go", "x.go", true),
            ("**", "a/b", false),
            ("", "", true),
            ("?", "", false),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(path), matches, "{pattern} {path}");
        }
        for bad in ["[", "[a", "[]", "[^]", "a\\", "[a-"] {
            assert!(Glob::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_stars_match_at_any_depth() {
        for (pattern, path, matches) in [
            ("**", "a/b", true),
            ("**/a", "a", true),
            ("**/a", "x/y/a", true),
            ("**/a", "xa", false),
            ("**/a/b", "x/a/b", true),
            ("a/**", "a/b/c", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "axb", false),
            ("**/**/a", "a", true),
            ("**/*.txt", "a/b.txt", true),
            ("**/*.txt", ".txt", true),
            ("a**b", "a/x/b", true),
        ] {
            assert_eq!(Glob::of_any_depth(pattern).unwrap().matches(path), matches, "{pattern} {path}");
        }
    }

    proptest! {
        /// Long patterns full of stars take no longer than their lengths say.
        #[test]
        fn matching_ends(pattern in "[*a?/]{0,200}", path in "[a/]{0,200}") {
            if let Ok(glob) = Glob::of_any_depth(&pattern) {
                glob.matches(&path);
            }
        }
    }
}
