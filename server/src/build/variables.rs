//! Variables of a build: arguments and environment.

use std::collections::BTreeMap;

use sandlot_runtime::image::Platform;

use super::dockerfile::expand::Variables;

/// Arguments that need no ARG, and change no result.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// What a stage's words are replaced with: environment before arguments.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Arguments that were declared, with their values.
    pub(super) arguments: BTreeMap<String, String>,
    /// Variables of the image.
    pub(super) environment: Vec<(String, String)>,
}

impl Scope {
    /// Sets a variable of the image in its place.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.environment.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }

    /// What a command gets.
    pub(super) fn of_command(&self) -> Vec<(String, String)> {
        let own = |name: &String| self.environment.iter().any(|(other, _)| other == name);
        let arguments = self.arguments.iter().filter(|(name, _)| !own(name));
        let arguments = arguments.map(|(name, value)| (name.clone(), value.clone()));
        arguments.chain(self.environment.iter().cloned()).collect()
    }
}

impl Variables for Scope {
    fn get(&self, name: &str) -> Option<&str> {
        let own = self.environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        own.or_else(|| self.arguments.get(name).map(String::as_str))
    }
}

/// Arguments about platforms (Dockerfile reference, "Automatic platform ARGs").
pub(super) fn of_platform(target: &Platform, stage: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (prefix, platform) in [("TARGET", target), ("BUILD", &Platform::host())] {
        all.insert(format!("{prefix}PLATFORM"), platform.to_string());
        all.insert(format!("{prefix}OS"), platform.os().to_owned());
        all.insert(format!("{prefix}ARCH"), platform.architecture().to_owned());
        all.insert(format!("{prefix}VARIANT"), platform.variant().unwrap_or_default().to_owned());
    }
    all.insert("TARGETSTAGE".to_owned(), stage.to_owned());
    all
}

/// Whether an argument is one of those about proxies.
pub(super) fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name)
}
