//! `--chmod`: permissions as a number, or as changes such as `u+x,go-w` (POSIX, chmod).

use std::str::FromStr;

/// New permissions, or changes to those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// All twelve bits.
    Octal(u32),
    /// One after the other.
    Symbolic(Vec<Change>),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Bits that it may touch.
    who: u32,
    operator: char,
    permissions: Vec<char>,
}

impl Mode {
    /// The permissions of a file that has these so far.
    pub fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        match self {
            Self::Octal(new) => *new,
            Self::Symbolic(changes) => {
                changes.iter().fold(mode, |mode, change| change.apply(mode, is_folder))
            }
        }
    }
}

impl Change {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let bits = self
            .permissions
            .iter()
            .fold(0, |bits, permission| bits | self.bits(*permission, mode, is_folder));
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => mode & !self.touched() | bits,
        }
    }

    /// Set-id bits belong to user and group, the sticky bit to all.
    fn touched(&self) -> u32 {
        let special = [(0o700, 0o4000), (0o070, 0o2000), (0o777, 0o1000)];
        special
            .iter()
            .fold(self.who, |bits, (who, bit)| if self.who & who == *who { bits | bit } else { bits })
    }

    fn bits(&self, permission: char, mode: u32, is_folder: bool) -> u32 {
        let copied = |shift: u32| {
            let three = mode >> shift & 0o7;
            (three << 6 | three << 3 | three) & self.who
        };
        match permission {
            'r' => 0o444 & self.who,
            'w' => 0o222 & self.who,
            'x' => 0o111 & self.who,
            'X' if is_folder || mode & 0o111 != 0 => 0o111 & self.who,
            's' => self.touched() & 0o6000,
            't' => self.touched() & 0o1000,
            'u' => copied(6),
            'g' => copied(3),
            'o' => copied(0),
            _ => 0,
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("--chmod={text}: must be octal, such as 755, or changes, such as u+x,go-w");
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .map(Self::Octal)
                .ok_or_else(wrong);
        }
        let changes = text.split(',').map(change).collect::<Option<Vec<Vec<Change>>>>().ok_or_else(wrong)?;
        Ok(Self::Symbolic(changes.into_iter().flatten().collect()))
    }
}

/// `[ugoa]*([-+=][rwxXstugo]*)+`
fn change(text: &str) -> Option<Vec<Change>> {
    let start = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at(start);
    let who = who.chars().try_fold(0, |bits, c| match c {
        'u' => Some(bits | 0o700),
        'g' => Some(bits | 0o070),
        'o' => Some(bits | 0o007),
        'a' => Some(0o777),
        _ => None,
    })?;
    let who = if who == 0 { 0o777 } else { who };
    let mut changes = Vec::new();
    while let Some(operator) = rest.chars().next() {
        let after = rest.get(1..)?;
        let end = after.find(['+', '-', '=']).unwrap_or(after.len());
        let (permissions, next) = after.split_at(end);
        if !permissions.chars().all(|c| "rwxXstugo".contains(c)) {
            return None;
        }
        changes.push(Change { who, operator, permissions: permissions.chars().collect() });
        rest = next;
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_applied_as_by_chmod() {
        for (text, before, is_folder, after) in [
            ("755", 0o600, false, 0o755),
            ("4711", 0, false, 0o4711),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("go-rw", 0o666, false, 0o600),
            ("a=r", 0o777, false, 0o444),
            ("u=rwx,g=u,o=", 0o007, false, 0o770),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("a=rX", 0o600, true, 0o555),
            ("u+s", 0o755, false, 0o4755),
            ("g+s", 0o755, true, 0o2755),
            ("+t", 0o777, true, 0o1777),
            ("u-s+w", 0o4555, false, 0o755),
        ] {
            let mode: Mode = text.parse().unwrap();
            assert_eq!(mode.apply(before, is_folder), after, "{text}");
        }
        for bad in ["", "9", "77777", "u", "x+r", "u+q", "u+x,"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
    }
}
