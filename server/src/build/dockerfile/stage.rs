//! A whole Dockerfile: what stands before the first FROM, and the stages.

use super::source::{MAX_BYTES, Source, Statement};
use super::{Error, Instruction, Result};

/// Stages of one file, at most.
const MAX_STAGES: usize = 128;

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its first line.
    pub line: usize,
    /// As it stands, on one line.
    pub text: String,
    /// What it is.
    pub instruction: Instruction,
}

impl Step {
    /// Checks a statement.
    ///
    /// # Errors
    /// As [`Instruction::parse`].
    pub fn parse(statement: &Statement, escape: char) -> Result<Self> {
        let instruction = Instruction::parse(statement, escape)?;
        let text = format!("{} {}", statement.keyword, statement.rest);
        Ok(Self { line: statement.line, text, instruction })
    }

    /// Reads a trigger of a base image.
    ///
    /// # Errors
    /// As [`Instruction::parse`].
    pub fn trigger(text: &str, line: usize) -> Result<Self> {
        let source = Source::parse(text).map_err(|error| Error::at(line, error.cause))?;
        let [statement] = source.statements.as_slice() else {
            return Err(Error::at(line, "a trigger of the base image is not one instruction"));
        };
        Self::parse(&Statement { line, ..statement.clone() }, source.escape)
    }
}

/// What is built from one FROM on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Line of FROM.
    pub line: usize,
    /// FROM as it stands.
    pub text: String,
    /// Image, earlier stage or `scratch`, with variables.
    pub base: String,
    /// `--platform`, with variables.
    pub platform: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What follows.
    pub steps: Vec<Step>,
}

/// A checked Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The escape character.
    pub escape: char,
    /// ARGs before the first FROM.
    pub globals: Vec<(String, Option<String>)>,
    /// At least one.
    pub stages: Vec<Stage>,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// With the first mistake and its line.
    pub fn parse(text: &str) -> Result<Self> {
        let source = Source::parse(text)?;
        let mut file = Self { escape: source.escape, globals: Vec::new(), stages: Vec::new() };
        for statement in &source.statements {
            file.add(Step::parse(statement, source.escape)?)?;
        }
        if file.stages.is_empty() {
            return Err(Error::at(1, "it has no FROM"));
        }
        Ok(file)
    }

    /// Reads bytes, which must be UTF-8.
    ///
    /// # Errors
    /// As [`Dockerfile::parse`].
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::at(1, format!("it is larger than {MAX_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count() + 1;
            Error::at(line, "it is not UTF-8")
        })?;
        Self::parse(text)
    }

    /// The stage of a name or number.
    pub fn find(&self, name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        let by_name = self.stages.iter().rposition(|stage| stage.name.as_ref() == Some(&lower));
        by_name.or_else(|| name.parse().ok().filter(|number| *number < self.stages.len()))
    }

    fn add(&mut self, step: Step) -> Result<()> {
        match (step.instruction, self.stages.last_mut()) {
            (Instruction::From { image, platform, name }, _) => {
                if self.stages.len() == MAX_STAGES {
                    return Err(Error::at(step.line, format!("more than {MAX_STAGES} stages")));
                }
                let (line, text) = (step.line, step.text);
                self.stages.push(Stage { line, text, base: image, platform, name, steps: Vec::new() });
            }
            (Instruction::Arg(arguments), None) => self.globals.extend(arguments),
            (_, None) => return Err(Error::at(step.line, "only ARG may stand before the first FROM")),
            (instruction, Some(stage)) => stage.steps.push(Step { instruction, ..step }),
        }
        Ok(())
    }
}
