//! The closed set of instructions. Words in them are as they stand in the file: variables are replaced at their turn.

mod copy;
mod health;
mod mount;
mod pairs;
mod run;

use super::flags::Flags;
use super::source::Statement;
use super::words::{exec_form, raw_words, unquoted};
use super::{Error, Result};

pub use copy::Copy;
pub use health::Health;
pub use mount::{Mount, MountKind, Sharing};
pub use run::{Network, Run};

/// A command: a list for exec, or a text for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Program and arguments.
    Exec(Vec<String>),
    /// What the shell reads.
    Shell(String),
}

impl Command {
    fn parse(text: &str) -> Self {
        exec_form(text).map_or_else(|| Self::Shell(text.to_owned()), Self::Exec)
    }

    /// Its words, with the shell that runs a text.
    pub fn argv(&self, shell: &[String]) -> Vec<String> {
        match self {
            Self::Exec(argv) => argv.clone(),
            Self::Shell(text) => shell.iter().cloned().chain([text.clone()]).collect(),
        }
    }
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Begins a stage.
    From {
        /// Image, stage or `scratch`.
        image: String,
        /// `--platform`.
        platform: Option<String>,
        /// The stage's name, in lower case.
        name: Option<String>,
    },
    /// Declares variables of the build, with defaults.
    Arg(Vec<(String, Option<String>)>),
    /// Sets variables of the image.
    Env(Vec<(String, String)>),
    /// Sets labels.
    Label(Vec<(String, String)>),
    /// Runs a command.
    Run(Box<Run>),
    /// Copies files.
    Copy(Box<Copy>),
    /// Copies files, unpacks archives, fetches URLs.
    Add(Box<Copy>),
    /// Sets the working directory, and makes it.
    Workdir(String),
    /// Sets the user.
    User(String),
    /// Declares ports.
    Expose(String),
    /// Declares volumes.
    Volume(Vec<String>),
    /// Sets the entry point.
    Entrypoint(Command),
    /// Sets the default command.
    Cmd(Command),
    /// Sets or forbids the health check.
    Healthcheck(Health),
    /// Sets the shell of shell forms.
    Shell(Vec<String>),
    /// Sets the signal that ends a container.
    Stopsignal(String),
    /// Notes an instruction for images that are built from this one.
    Onbuild(String),
    /// Sets the author.
    Maintainer(String),
}

/// Their names.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Instruction {
    /// Checks a statement.
    ///
    /// # Errors
    /// When the instruction or one of its flags is unknown, or its arguments are wrong.
    pub fn parse(statement: &Statement, escape: char) -> Result<Self> {
        let line = statement.line;
        let keyword = statement.keyword.as_str();
        let (mut flags, rest) = if takes_flags(keyword) {
            Flags::take(&statement.rest, escape, line)
        } else {
            (Flags::default(), statement.rest.as_str())
        };
        let known = known_flags(keyword);
        if rest.is_empty() && KEYWORDS.contains(&keyword) && !matches!(keyword, "RUN" | "HEALTHCHECK") {
            return Err(Error::at(line, format!("{keyword} needs an argument")));
        }
        let parsed = match keyword {
            "FROM" => from(rest, flags.value("platform")?, line)?,
            "ARG" => Self::Arg(pairs::arguments(rest, escape, line)?),
            "ENV" => Self::Env(pairs::pairs("ENV", rest, escape, line)?),
            "LABEL" => Self::Label(pairs::pairs("LABEL", rest, escape, line)?),
            "RUN" => Self::Run(Box::new(Run::parse(rest, &mut flags, statement)?)),
            "COPY" => Self::Copy(Box::new(Copy::parse(rest, &mut flags, statement, escape)?)),
            "ADD" => Self::Add(Box::new(Copy::parse(rest, &mut flags, statement, escape)?)),
            "WORKDIR" => Self::Workdir(rest.to_owned()),
            "USER" => Self::User(rest.to_owned()),
            "EXPOSE" => Self::Expose(rest.to_owned()),
            "VOLUME" => Self::Volume(exec_form(rest).unwrap_or_else(|| raw_words(rest, escape))),
            "ENTRYPOINT" => Self::Entrypoint(Command::parse(rest)),
            "CMD" => Self::Cmd(Command::parse(rest)),
            "HEALTHCHECK" => Self::Healthcheck(Health::parse(rest, &mut flags, line)?),
            "SHELL" => Self::Shell(exec_form(rest).filter(|shell| !shell.is_empty()).ok_or_else(|| {
                Error::at(line, "SHELL takes a JSON list, such as [\"/bin/bash\", \"-c\"]")
            })?),
            "STOPSIGNAL" => Self::Stopsignal(one_word("STOPSIGNAL", rest, line)?),
            "ONBUILD" => onbuild(rest, statement)?,
            "MAINTAINER" => Self::Maintainer(unquoted(rest, escape)),
            other => {
                let shown: String = other.chars().take(40).collect();
                let cause = format!("unknown instruction `{shown}`; there are {}", KEYWORDS.join(", "));
                return Err(Error::at(line, cause));
            }
        };
        flags.finish(keyword, known)?;
        Ok(parsed)
    }
}

fn takes_flags(keyword: &str) -> bool {
    !matches!(keyword, "CMD" | "ENTRYPOINT" | "SHELL" | "ONBUILD" | "MAINTAINER" | "LABEL" | "ENV")
}

fn known_flags(keyword: &str) -> &'static [&'static str] {
    match keyword {
        "FROM" => &["platform"],
        "RUN" => &["mount", "network"],
        "COPY" => &["from", "chown", "chmod", "link", "exclude", "parents"],
        "ADD" => &["chown", "chmod", "link", "exclude", "checksum", "unpack", "keep-git-dir"],
        "HEALTHCHECK" => &["interval", "timeout", "start-period", "start-interval", "retries"],
        _ => &[],
    }
}

fn from(rest: &str, platform: Option<String>, line: usize) -> Result<Instruction> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (image, name) = match words.as_slice() {
        [image] => (image, None),
        [image, word, name] if word.eq_ignore_ascii_case("as") => (image, Some(name.to_lowercase())),
        _ => return Err(Error::at(line, "FROM takes an image, or an image and AS and a name")),
    };
    if let Some(name) = &name {
        let good = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if !good || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name == "scratch" {
            let cause =
                format!("stage name `{name}`: must begin with a letter and hold a-z, 0-9 and -_. only");
            return Err(Error::at(line, cause));
        }
    }
    Ok(Instruction::From { image: (*image).to_owned(), platform, name })
}

fn one_word(keyword: &str, rest: &str, line: usize) -> Result<String> {
    match rest.split_whitespace().count() {
        1 => Ok(rest.to_owned()),
        _ => Err(Error::at(line, format!("{keyword} takes exactly one argument"))),
    }
}

/// The trigger is checked already here, and kept as its text.
fn onbuild(rest: &str, statement: &Statement) -> Result<Instruction> {
    let (keyword, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let keyword = keyword.to_uppercase();
    if matches!(keyword.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
        return Err(Error::at(statement.line, format!("{keyword} is not allowed in ONBUILD")));
    }
    if !statement.heredocs.is_empty() {
        return Err(Error::at(statement.line, "ONBUILD cannot keep a heredoc"));
    }
    let inner = Statement { keyword, rest: arguments.trim().to_owned(), ..statement.clone() };
    Instruction::parse(&inner, '\\')?;
    Ok(Instruction::Onbuild(format!("{} {}", inner.keyword, inner.rest)))
}
