//! Flags and arguments, as Go's `flag` package reads them: one hyphen or two, the value after `=` or as the next one.

/// A flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its names; the first is the one it is asked for by.
    pub(super) names: &'static [&'static str],
    /// Whether it takes a value.
    pub(super) takes_value: bool,
    /// What help says of it.
    pub(super) usage: &'static str,
}

pub(super) const fn switch(names: &'static [&'static str], usage: &'static str) -> Flag {
    Flag { names, takes_value: false, usage }
}

pub(super) const fn value(names: &'static [&'static str], usage: &'static str) -> Flag {
    Flag { names, takes_value: true, usage }
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    flags: Vec<(&'static str, String)>,
    /// The arguments that are no flags.
    pub(super) rest: Vec<String>,
}

/// Reads flags up to the first argument, or, with `reorders`, anywhere before `--`.
///
/// # Errors
/// When a flag is unknown or lacks its value.
pub(super) fn parse(flags: &[Flag], args: &[String], reorders: bool) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        let Some(text) = arg.strip_prefix('-').filter(|text| !text.is_empty()) else {
            parsed.rest.push(arg.clone());
            if reorders {
                continue;
            }
            break;
        };
        let text = text.strip_prefix('-').unwrap_or(text);
        let (name, given) = text.split_once('=').map_or((text, None), |(name, given)| (name, Some(given)));
        if matches!(name, "h" | "help") {
            parsed.flags.push(("help", "true".to_owned()));
            continue;
        }
        let flag = flags.iter().find(|flag| flag.names.contains(&name));
        let flag = flag.ok_or_else(|| format!("flag provided but not defined: -{name}"))?;
        let given = match (given, flag.takes_value) {
            (Some(given), _) => given.to_owned(),
            (None, false) => "true".to_owned(),
            (None, true) => args.next().ok_or_else(|| format!("flag needs an argument: -{name}"))?.clone(),
        };
        parsed.flags.push((flag.names.first().copied().unwrap_or_default(), given));
    }
    parsed.rest.extend(args.cloned());
    Ok(parsed)
}

impl Parsed {
    /// Whether a switch is on.
    pub(super) fn has(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| !matches!(text, "false" | "f" | "F" | "0" | "False" | "FALSE"))
    }

    /// The last value of a flag.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(given, _)| *given == name).map(|(_, text)| text.as_str())
    }

    /// The last value of a flag, where it is not empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// All values of a flag, in their order.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.flags.iter().filter(|(given, _)| *given == name).map(|(_, text)| text.as_str()).collect()
    }

    /// The first argument.
    pub(super) fn id(&self) -> &str {
        self.rest.first().map(String::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] =
        &[value(&["bundle", "b"], ""), switch(&["detach", "d"], ""), value(&["env", "e"], "")];

    fn read(text: &str, reorders: bool) -> Result<Parsed, String> {
        parse(FLAGS, &text.split(' ').map(str::to_owned).collect::<Vec<_>>(), reorders)
    }

    #[test]
    fn flags_stand_before_or_between_arguments() {
        let parsed = read("a -b x --detach b -- -c", true).unwrap();
        assert_eq!((parsed.text("bundle"), parsed.has("detach")), (Some("x"), true));
        assert_eq!(parsed.rest, ["a", "b", "-c"]);
        let parsed = read("-e=A=1 --env B ct ls -d", false).unwrap();
        assert_eq!(parsed.all("env"), ["A=1", "B"]);
        assert_eq!(parsed.rest, ["ct", "ls", "-d"]);
        assert!(!read("--detach=false x", true).unwrap().has("detach"));
    }

    #[test]
    fn unknown_flags_and_missing_values_are_told() {
        assert_eq!(read("--foo", true).unwrap_err(), "flag provided but not defined: -foo");
        assert_eq!(read("-b", true).unwrap_err(), "flag needs an argument: -b");
    }
}
