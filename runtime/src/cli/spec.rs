//! The starting point for a `config.json`, with the values and the order of keys of `runc spec`.

mod document;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cgroups_rs::hierarchies::is_cgroup2_unified_mode;
use nix::unistd::{getegid, geteuid};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

pub use document::Config;
use document::Ids;

const NAME: &str = "config.json";

/// Why no file was written. The sentences are those of runc, which scripts look for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is one already; it is never overwritten.
    #[error("File {NAME} exists. Remove it first")]
    Exists,
    /// The bundle, or the file in it, could not be reached or written.
    #[error("write `{}`: {source}", path.display())]
    Io {
        /// Of the file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// The configuration of a shell in `rootfs`; with `rootless` for the calling user, who may have no privileges: a user
/// namespace with its ids alone, the host's network and no device rules. Where control groups are version 2 only, a
/// cgroup namespace is among the others.
pub fn default_config(rootless: bool) -> Config {
    let ids = rootless.then(|| Ids { user: geteuid().as_raw(), group: getegid().as_raw() });
    Config::new(ids, is_cgroup2_unified_mode())
}

/// Writes [`default_config`] to `config.json` in a bundle.
///
/// # Errors
/// [`Error::Exists`], or what the file system says.
pub fn write(bundle: &Path, rootless: bool) -> Result<(), Error> {
    let path = bundle.join(NAME);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists,
        _ => Error::Io { path: path.clone(), source },
    };
    let text = text(&default_config(rootless)).map_err(failed)?;
    std::fs::File::create_new(&path).and_then(|mut file| file.write_all(&text)).map_err(failed)
}

/// As runc writes it: a tab for each level, no line feed at the end.
fn text(config: &Config) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    config.serialize(&mut Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"\t")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = include_str!("../../tests/fixtures/spec/root.json");
    const ROOTLESS: &str = include_str!("../../tests/fixtures/spec/rootless.json");

    fn written(rootless: bool, unified: bool) -> String {
        let ids = rootless.then_some(Ids { user: 1000, group: 1001 });
        String::from_utf8(text(&Config::new(ids, unified)).unwrap()).unwrap()
    }

    #[test]
    fn the_text_is_that_of_runc() {
        assert_eq!(written(false, false), ROOT);
        assert_eq!(written(true, false), ROOTLESS);
    }

    #[test]
    fn on_version_2_there_is_a_cgroup_namespace() {
        let last = |text: &str| format!("\"type\": \"{text}\"\n\t\t\t}}\n\t\t],\n\t\t\"maskedPaths\"");
        let mount = "\"type\": \"mount\"\n\t\t\t},\n\t\t\t{\n\t\t\t\t";
        let root = ROOT.replace(&last("mount"), &format!("{mount}{}", last("cgroup")));
        assert_eq!(written(false, true), root);
        assert_eq!(
            written(true, true),
            ROOTLESS.replace(mount, &format!("{mount}\"type\": \"cgroup\"\n\t\t\t}},\n\t\t\t{{\n\t\t\t\t"))
        );
    }

    #[test]
    fn it_is_a_configuration() {
        for rootless in [false, true] {
            let text = text(&default_config(rootless)).unwrap();
            let spec: oci_spec::runtime::Spec = serde_json::from_slice(&text).unwrap();
            assert_eq!(spec.version(), "1.2.0");
        }
    }

    #[test]
    fn a_file_is_never_overwritten() {
        let bundle = tempfile::tempdir().unwrap();
        write(bundle.path(), false).unwrap();
        let path = bundle.path().join("config.json");
        assert_eq!(std::fs::read(&path).unwrap(), text(&default_config(false)).unwrap());
        let error = write(bundle.path(), true).unwrap_err();
        assert_eq!(error.to_string(), "File config.json exists. Remove it first");
        assert_eq!(std::fs::read(&path).unwrap(), text(&default_config(false)).unwrap());

        let missing = write(&bundle.path().join("missing"), false).unwrap_err().to_string();
        assert!(missing.contains("missing/config.json`: No such file"), "{missing}");
    }
}
