//! The unit of a container: a transient scope, or a slice for a group of containers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use super::bus::{Bus, Error};
use super::properties::{self, Properties};
use super::wire::{Value, Writer};

const MODE: &str = "replace";
const EXISTS: &str = "org.freedesktop.systemd1.UnitExists";

/// A unit by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    unit: String,
    slice: String,
    /// Whether it is the systemd of an ordinary user.
    user: bool,
}

impl Scope {
    /// Reads `slice:prefix:name`; without it the slice is the usual one, and the name is the id.
    ///
    /// # Errors
    /// When the path has another form, or the slice is none.
    pub fn parse(cgroups_path: Option<&Path>, id: &str, user: bool) -> Result<Self, Error> {
        let default_slice = if user { "user.slice" } else { "system.slice" };
        let text = cgroups_path.map(|path| path.to_string_lossy().into_owned());
        let parts: Vec<&str> = text.as_deref().map(|text| text.split(':').collect()).unwrap_or_default();
        let (slice, prefix, name) = match *parts.as_slice() {
            [] => (default_slice, "sandlot", id),
            [slice, prefix, name] => (if slice.is_empty() { default_slice } else { slice }, prefix, name),
            _ => {
                return Err(Error::Form(format!(
                    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {:?} instead",
                    text.unwrap_or_default()
                )));
            }
        };
        let unit = match (name.ends_with(".slice"), prefix) {
            (true, _) => name.to_owned(),
            (false, "") => format!("{name}.scope"),
            (false, prefix) => format!("{prefix}-{name}.scope"),
        };
        expand(slice)?;
        Ok(Self { unit, slice: slice.to_owned(), user })
    }

    /// Where its cgroup is below the root of the hierarchy, of a system unit; that of a user's lies below their manager's.
    pub fn cgroup_path(&self) -> PathBuf {
        let slice = expand(&self.slice).unwrap_or_default();
        slice.join(&self.unit)
    }

    /// Where its cgroup is below the root of the hierarchy.
    ///
    /// # Errors
    /// When it is a user's unit, and their systemd cannot be asked for its own place.
    pub fn group(&self) -> Result<PathBuf, Error> {
        let below = self.cgroup_path();
        if !self.user {
            return Ok(below);
        }
        Ok(Path::new(&self.bus()?.control_group()?).join(below))
    }

    fn bus(&self) -> Result<Bus, Error> {
        if self.user { Bus::user() } else { Bus::system() }
    }

    /// Starts the unit with a process in it.
    ///
    /// # Errors
    /// When systemd refuses, or cannot be reached.
    pub fn start(
        &self,
        pid: i32,
        resources: Option<&LinuxResources>,
        annotations: &HashMap<String, String>,
        v2: bool,
    ) -> Result<(), Error> {
        let mut properties = self.basics(pid, v2);
        properties.extend(resources.map(|resources| properties::of(resources, v2)).unwrap_or_default());
        properties.extend(properties::of_annotations(annotations).map_err(Error::Form)?);
        let mut bus = self.bus()?;
        match self.start_on(&mut bus, &properties) {
            Err(Error::Refused { name, .. }) if name == EXISTS => {
                // What a container of this name has left behind.
                bus.ask("ResetFailedUnit", "s", |body| body.text(&self.unit))?;
                self.start_on(&mut bus, &properties)
            }
            result => result,
        }
    }

    fn start_on(&self, bus: &mut Bus, properties: &Properties) -> Result<(), Error> {
        bus.run_job(&self.unit, "StartTransientUnit", "ssa(sv)a(sa(sv))", |body| {
            body.text(&self.unit);
            body.text(MODE);
            write(body, properties);
            body.array(8, |_| {});
        })
    }

    fn basics(&self, pid: i32, v2: bool) -> Properties {
        let yes = |name: &str| (name.to_owned(), Value::Bool(true));
        let description = Value::Text(format!("container {}", self.unit));
        let mut basics = vec![
            ("Description".to_owned(), description),
            yes("MemoryAccounting"),
            yes("CPUAccounting"),
            yes("TasksAccounting"),
            yes(if v2 { "IOAccounting" } else { "BlockIOAccounting" }),
            ("DefaultDependencies".to_owned(), Value::Bool(false)),
        ];
        if self.unit.ends_with(".slice") {
            basics.push(("Wants".to_owned(), Value::Texts(vec![self.slice.clone()])));
        } else {
            basics.push(("Slice".to_owned(), Value::Text(self.slice.clone())));
            basics.push(yes("Delegate"));
            basics.push(("PIDs".to_owned(), Value::Numbers32(vec![pid.unsigned_abs()])));
        }
        basics
    }

    /// Gives it other limits, until it ends.
    ///
    /// # Errors
    /// As [`Scope::start`].
    pub fn update(&self, resources: &LinuxResources, v2: bool) -> Result<(), Error> {
        let properties = properties::of(resources, v2);
        if properties.is_empty() {
            return Ok(());
        }
        let set = |body: &mut Writer| {
            body.text(&self.unit);
            body.bool(true);
            write(body, &properties);
        };
        self.bus()?.ask("SetUnitProperties", "sba(sv)", set).map(drop)
    }

    /// Ends it with what is left in it. One that is gone has ended.
    ///
    /// # Errors
    /// As [`Scope::start`].
    pub fn stop(&self) -> Result<(), Error> {
        let mut bus = self.bus()?;
        let stopped = bus.run_job(&self.unit, "StopUnit", "ss", |body| {
            body.text(&self.unit);
            body.text(MODE);
        });
        // Only a failed one has something to be reset.
        let _none = bus.ask("ResetFailedUnit", "s", |body| body.text(&self.unit));
        match stopped {
            Err(Error::Refused { name, .. }) if name.ends_with(".NoSuchUnit") => Ok(()),
            result => result,
        }
    }
}

fn write(body: &mut Writer, properties: &Properties) {
    body.array(8, |body| {
        for (name, value) in properties {
            body.align(8);
            body.text(name);
            body.variant(value);
        }
    });
}

/// `a-b.slice` lies in `a.slice` (systemd.slice(5)).
fn expand(slice: &str) -> Result<PathBuf, Error> {
    let invalid = || Error::Form(format!("invalid slice name: {slice}"));
    let name = slice.strip_suffix(".slice").filter(|name| !name.contains('/')).ok_or_else(invalid)?;
    if name == "-" {
        return Ok(PathBuf::new());
    }
    let mut path = PathBuf::new();
    let mut prefix = String::new();
    for part in name.split('-') {
        if part.is_empty() {
            return Err(invalid());
        }
        prefix.push_str(part);
        path.push(format!("{prefix}.slice"));
        prefix.push('-');
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_units() {
        let scope = Scope::parse(Some(Path::new("machine-a.slice:docker:1")), "x", false).unwrap();
        assert_eq!(scope.cgroup_path(), Path::new("machine.slice/machine-a.slice/docker-1.scope"));
        let scope = Scope::parse(None, "x", false).unwrap();
        assert_eq!(scope.cgroup_path(), Path::new("system.slice/sandlot-x.scope"));
        let error = Scope::parse(Some(Path::new("/foo")), "x", false).unwrap_err();
        assert!(error.to_string().contains("got \"/foo\" instead"), "{error}");
        for slice in ["a", "a--b.slice", "-a.slice", "/a.slice", ".slice"] {
            assert!(expand(slice).is_err(), "{slice}");
        }
        assert_eq!(expand("-.slice").unwrap(), Path::new(""));
    }
}
