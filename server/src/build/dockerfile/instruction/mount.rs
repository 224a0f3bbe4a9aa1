//! `RUN --mount=type=…`.

use crate::config::size;

/// Something that is mounted while a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub kind: MountKind,
    /// Where; relative to the working directory.
    pub target: String,
}

/// The kinds of mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    Bind {
        /// Stage or image; `None` is the context.
        from: Option<String>,
        /// Path in it.
        source: String,
        /// Writable; what is written is lost.
        writable: bool,
    },
    /// A folder that later builds find again.
    Cache {
        /// Its name; by default the target.
        id: Option<String>,
        /// Who may use it at once.
        sharing: Sharing,
        /// Not writable.
        read_only: bool,
        /// Permissions of a new one.
        mode: u32,
        /// Owner of a new one.
        owner: (u32, u32),
    },
    /// Memory.
    Tmpfs {
        /// At most so many bytes.
        size_bytes: Option<u64>,
    },
    /// A secret, as a file or a variable.
    Secret {
        /// Its name.
        id: String,
        /// The build fails without it.
        required: bool,
        /// Given as this variable.
        variable: Option<String>,
        /// Also given as a file.
        is_file: bool,
        /// Permissions of the file.
        mode: u32,
        /// Owner of the file.
        owner: (u32, u32),
    },
}

/// Who may use a cache at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// All.
    #[default]
    Shared,
    /// Everyone a new one while another is in use.
    Private,
    /// One after the other.
    Locked,
}

/// The options of one mount, taken one by one.
struct Options(Vec<(String, Option<String>)>);

impl Mount {
    /// Reads a mount's options.
    ///
    /// # Errors
    /// With a sentence about the option that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = Options::read(text)?;
        let kind = options.value(&["type"])?.unwrap_or_else(|| "bind".to_owned());
        let target = options.value(&["target", "dst", "destination"])?;
        let (kind, target) = match kind.as_str() {
            "bind" => (options.bind()?, target),
            "cache" => (options.cache()?, target),
            "tmpfs" => {
                let bytes = options
                    .value(&["size"])?
                    .map(|text| size::bytes("size", &text).map_err(|error| error.to_string()));
                (MountKind::Tmpfs { size_bytes: bytes.transpose()? }, target)
            }
            "secret" => options.secret(target)?,
            "ssh" => return Err("--mount=type=ssh is not supported; use type=secret".to_owned()),
            other => return Err(format!("--mount type `{other}`: must be bind, cache, tmpfs or secret")),
        };
        options.finish()?;
        let target = target.ok_or("--mount needs target=PATH")?;
        Ok(Self { kind, target })
    }
}

impl Options {
    fn read(text: &str) -> Result<Self, String> {
        let option = |part: &str| match part.split_once('=') {
            Some((name, value)) => (name.trim().to_lowercase(), Some(value.to_owned())),
            None => (part.trim().to_lowercase(), None),
        };
        if text.is_empty() {
            Err("--mount needs options".to_owned())
        } else {
            Ok(Self(text.split(',').map(option).collect()))
        }
    }

    fn value(&mut self, names: &[&str]) -> Result<Option<String>, String> {
        let Some(at) = self.0.iter().position(|(name, _)| names.contains(&name.as_str())) else {
            return Ok(None);
        };
        let (name, value) = self.0.remove(at);
        value.map(Some).ok_or_else(|| format!("--mount option {name} needs a value"))
    }

    fn switch(&mut self, names: &[&str]) -> Result<bool, String> {
        let Some(at) = self.0.iter().position(|(name, _)| names.contains(&name.as_str())) else {
            return Ok(false);
        };
        match self.0.remove(at) {
            (_, None) => Ok(true),
            (_, Some(value)) if value == "true" || value == "1" => Ok(true),
            (_, Some(value)) if value == "false" || value == "0" => Ok(false),
            (name, Some(value)) => Err(format!("--mount option {name}={value}: must be true or false")),
        }
    }

    fn number(&mut self, name: &str, radix: u32) -> Result<Option<u32>, String> {
        let Some(text) = self.value(&[name])? else { return Ok(None) };
        u32::from_str_radix(&text, radix)
            .map(Some)
            .map_err(|_| format!("--mount option {name}={text}: must be a number"))
    }

    fn owner(&mut self) -> Result<(u32, u32), String> {
        Ok((self.number("uid", 10)?.unwrap_or(0), self.number("gid", 10)?.unwrap_or(0)))
    }

    fn bind(&mut self) -> Result<MountKind, String> {
        let source = self.value(&["source", "src"])?.unwrap_or_else(|| "/".to_owned());
        let (writable, read_only) = (self.switch(&["rw", "readwrite"])?, self.switch(&["ro", "readonly"])?);
        Ok(MountKind::Bind { from: self.value(&["from"])?, source, writable: writable && !read_only })
    }

    fn cache(&mut self) -> Result<MountKind, String> {
        if self.value(&["from"])?.is_some() || self.value(&["source", "src"])?.is_some() {
            return Err("--mount=type=cache with from or source is not supported: fill the cache in a step"
                .to_owned());
        }
        let sharing = match self.value(&["sharing"])?.as_deref() {
            None | Some("shared") => Sharing::Shared,
            Some("private") => Sharing::Private,
            Some("locked") => Sharing::Locked,
            Some(other) => {
                return Err(format!("--mount option sharing={other}: must be shared, private or locked"));
            }
        };
        self.switch(&["rw", "readwrite"])?;
        let (id, mode) = (self.value(&["id"])?, self.number("mode", 8)?.unwrap_or(0o755));
        Ok(MountKind::Cache {
            id,
            sharing,
            read_only: self.switch(&["ro", "readonly"])?,
            mode,
            owner: self.owner()?,
        })
    }

    fn secret(&mut self, target: Option<String>) -> Result<(MountKind, Option<String>), String> {
        let id = self.value(&["id"])?.or_else(|| file_name(target.as_deref()?));
        let id = id.ok_or("--mount=type=secret needs id=NAME")?;
        let variable = self.value(&["env"])?;
        let is_file = target.is_some() || variable.is_none();
        let target = target.unwrap_or_else(|| format!("/run/secrets/{id}"));
        let mode = self.number("mode", 8)?.unwrap_or(0o400);
        let required = self.switch(&["required"])?;
        let owner = self.owner()?;
        Ok((MountKind::Secret { id, required, variable, is_file, mode, owner }, Some(target)))
    }

    fn finish(self) -> Result<(), String> {
        self.0
            .first()
            .map_or(Ok(()), |(name, _)| Err(format!("--mount has no option `{name}` for this type")))
    }
}

fn file_name(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}
