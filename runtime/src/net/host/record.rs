//! What was changed of the host, written down before it is.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::io;
use crate::failure::{Failure, during};

/// Settings and link; the rules are known by the link's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The boot and the network namespace: in another one nothing of it is there.
    place: String,
    link: String,
    /// In the order in which they were changed.
    settings: Vec<Setting>,
}

/// One setting below /proc/sys/net.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) former: String,
    pub(super) ours: String,
    /// What the kernel changes along with it and does not change back to what it was: names and former values.
    pub(super) along: Vec<(String, String)>,
}

impl Record {
    /// An empty one.
    pub(super) fn of(link: &str) -> Self {
        Self { place: place(), link: link.to_owned(), settings: Vec::new() }
    }

    /// The one that is there, if it is about this host as it runs.
    pub(super) fn find(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("read", path)(error)),
        };
        let malformed = |_| during(format!("read `{}`", path.display()))(Errno::EINVAL);
        let record: Self = serde_json::from_slice(&text).map_err(malformed)?;
        Ok(Some(record).filter(|record| record.place == place()))
    }

    /// Writes it, whole or not at all.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        let beside = path.with_extension("part");
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        fs::write(&beside, text).map_err(io("write", &beside))?;
        fs::rename(&beside, path).map_err(io("write", path))
    }

    pub(super) fn link(&self) -> &str {
        &self.link
    }

    /// The last one that was changed first.
    pub(super) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter().rev()
    }

    /// Notes a setting that is about to be changed. Of one that was changed before the first value counts.
    pub(super) fn note(&mut self, setting: Setting) {
        if self.settings.iter().all(|noted| noted.name != setting.name) {
            self.settings.push(setting);
        }
    }
}

impl Setting {
    /// Sets it.
    pub(super) fn change(&self) -> Result<(), Failure> {
        write(&self.name, &self.ours)
    }

    /// Sets it as it was, unless somebody else has changed it since or its link is gone.
    pub(super) fn restore(&self) -> Result<(), Failure> {
        if read(&self.name).is_none_or(|value| value != self.ours) {
            return Ok(());
        }
        write(&self.name, &self.former)?;
        let differs = |(name, former): &&(String, String)| read(name).is_some_and(|value| value != *former);
        self.along.iter().filter(differs).try_for_each(|(name, former)| write(name, former))
    }
}

/// The value of a setting of the current network namespace; none where there is no such setting.
pub(super) fn read(name: &str) -> Option<String> {
    fs::read_to_string(file(name)).ok().map(|text| text.trim().to_owned())
}

fn write(name: &str, value: &str) -> Result<(), Failure> {
    let path = file(name);
    fs::write(&path, value).map_err(io("set", &path))
}

fn file(name: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(name)
}

fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/net").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_setting_is_the_one_to_go_back_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.json");
        let setting = |former: &str| Setting {
            name: "ipv4/ip_forward".into(),
            former: former.into(),
            ours: "1".into(),
            along: Vec::new(),
        };
        let mut record = Record::of("sl-out");
        record.note(setting("0"));
        record.note(setting("1"));
        record.save(&path).unwrap();
        let found = Record::find(&path).unwrap().unwrap();
        assert_eq!(found.settings().collect::<Vec<_>>(), [&setting("0")]);
    }

    #[test]
    fn a_record_of_another_boot_is_of_no_concern() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.json");
        Record { place: "another".into(), ..Record::of("sl-out") }.save(&path).unwrap();
        assert_eq!(Record::find(&path).unwrap(), None);
    }
}
