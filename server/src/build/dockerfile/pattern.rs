//! Patterns inside `${name#pattern}` and the like: `*`, `?`, and a backslash before either.

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Any,
    One,
    This(char),
}

/// A pattern, ready to match.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Element>);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut elements: Vec<Element> = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            elements.push(match c {
                '*' if elements.last() == Some(&Element::Any) => continue,
                '*' => Element::Any,
                '?' => Element::One,
                '\\' => chars.next().map_or(Element::This('\\'), Element::This),
                c => Element::This(c),
            });
        }
        Self(elements)
    }

    /// Lengths in characters of all beginnings of `text` that match, in rising order.
    ///
    /// Takes time in proportion to pattern times text: sets of places are moved along, nothing is tried twice.
    pub(super) fn beginnings(&self, text: &[char]) -> Vec<usize> {
        let count = self.0.len();
        let mut at = vec![false; count + 1];
        if let Some(first) = at.first_mut() {
            *first = true;
        }
        let mut found = Vec::new();
        for length in 0..=text.len() {
            self.skip_any(&mut at);
            if at.get(count) == Some(&true) {
                found.push(length);
            }
            let Some(c) = text.get(length) else { break };
            let mut next = vec![false; count + 1];
            for (place, element) in
                self.0.iter().enumerate().filter(|(place, _)| at.get(*place) == Some(&true))
            {
                let to = match element {
                    Element::Any => place,
                    Element::One => place + 1,
                    Element::This(wanted) if wanted == c => place + 1,
                    Element::This(_) => continue,
                };
                if let Some(to) = next.get_mut(to) {
                    *to = true;
                }
            }
            at = next;
        }
        found
    }

    /// The same pattern from its end.
    pub(super) fn reversed(&self) -> Self {
        Self(self.0.iter().rev().copied().collect())
    }

    fn skip_any(&self, at: &mut [bool]) {
        for (place, element) in self.0.iter().enumerate() {
            if *element == Element::Any
                && at.get(place) == Some(&true)
                && let Some(next) = at.get_mut(place + 1)
            {
                *next = true;
            }
        }
    }
}
