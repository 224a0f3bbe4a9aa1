//! The environment of a program inside, and where it is looked up.

use std::ffi::CString;

use nix::errno::Errno;

use super::account::Account;
use crate::failure::{Failure, during};
use crate::supervisor::protocol::Defaults;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The default variables, then those given, which may stand in place of one of them.
///
/// # Errors
/// `EINVAL` for a variable that cannot be one.
pub fn build(
    account: &Account,
    hostname: &str,
    defaults: Defaults,
    given: &[(String, String)],
) -> Result<Vec<CString>, Failure> {
    let home = account.home.to_string_lossy();
    let mut variables: Vec<(&str, &str)> =
        vec![("PATH", DEFAULT_PATH), ("HOME", &home), ("HOSTNAME", hostname)];
    if defaults == Defaults::Person {
        variables.extend([
            ("USER", account.name.as_str()),
            ("LOGNAME", &account.name),
            ("SHELL", &account.shell),
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
        ]);
    }
    for (name, value) in given {
        if name.is_empty() || name.contains('=') {
            return Err(during(format!("set variable `{}`", name.escape_debug()))(Errno::EINVAL));
        }
        variables.retain(|(other, _)| other != name);
        variables.push((name, value));
    }
    variables.iter().map(|(name, value)| c_string(&format!("{name}={value}"))).collect()
}

/// Paths to try for a program, in order: those of PATH for a plain name, else the path itself.
pub fn candidates(program: &str, environment: &[CString]) -> Vec<String> {
    if program.contains('/') || program.is_empty() {
        return vec![program.to_owned()];
    }
    let path = environment.iter().find_map(|variable| variable.to_str().ok()?.strip_prefix("PATH="));
    let folders = path.unwrap_or(DEFAULT_PATH).split(':');
    folders.map(|folder| format!("{}/{program}", if folder.is_empty() { "." } else { folder })).collect()
}

/// A text as the kernel takes it.
///
/// # Errors
/// `EINVAL` when it contains a zero byte.
pub fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| during(format!("use text `{}`", text.escape_debug()))(Errno::EINVAL))
}

/// Several texts as the kernel takes them.
///
/// # Errors
/// As [`c_string`].
pub fn c_strings(texts: &[String]) -> Result<Vec<CString>, Failure> {
    texts.iter().map(|text| c_string(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_variables_stand_in_place_of_defaults() {
        let given = [("PATH".to_owned(), "/a::/b".to_owned()), ("PATH".to_owned(), "/c".to_owned())];
        let environment = build(&Account::root(), "m1", Defaults::Person, &given).unwrap();
        let paths: Vec<_> =
            environment.iter().filter(|variable| variable.to_bytes().starts_with(b"PATH=")).collect();
        assert_eq!(paths, [c"PATH=/c"]);
        assert!(environment.contains(&c"HOME=/root".to_owned()));
    }

    #[test]
    fn a_step_gets_what_docker_gives_it() {
        let environment = build(&Account::root(), "m1", Defaults::Step, &[]).unwrap();
        let names: Vec<_> =
            environment.iter().map(|v| v.to_str().unwrap().split('=').next().unwrap()).collect();
        assert_eq!(names, ["PATH", "HOME", "HOSTNAME"]);
    }

    #[test]
    fn plain_names_are_looked_up_and_paths_are_not() {
        let environment = [c"PATH=/a::/b".to_owned()];
        assert_eq!(candidates("ls", &environment), ["/a/ls", "./ls", "/b/ls"]);
        assert_eq!(candidates("./ls", &environment), ["./ls"]);
        assert_eq!(candidates("ls", &[]).len(), 6);
    }
}
