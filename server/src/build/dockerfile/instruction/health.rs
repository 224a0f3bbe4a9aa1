//! HEALTHCHECK.

use std::time::Duration;

use super::Command;
use crate::build::dockerfile::flags::Flags;
use crate::build::dockerfile::{Error, Result};

/// How a container's health is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// The check; `None` forbids that of the base image.
    pub command: Option<Command>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// A check may take so long.
    pub timeout: Option<Duration>,
    /// Failures before that do not count.
    pub start_period: Option<Duration>,
    /// Between two checks meanwhile.
    pub start_interval: Option<Duration>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<u32>,
}

impl Health {
    pub(super) fn parse(rest: &str, flags: &mut Flags, line: usize) -> Result<Self> {
        let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match kind.to_uppercase().as_str() {
            "NONE" if command.is_empty() => Ok(Self::default()),
            "CMD" if !command.trim().is_empty() => Ok(Self {
                command: Some(Command::parse(command.trim())),
                interval: time(flags, "interval", line)?,
                timeout: time(flags, "timeout", line)?,
                start_period: time(flags, "start-period", line)?,
                start_interval: time(flags, "start-interval", line)?,
                retries: retries(flags, line)?,
            }),
            _ => Err(Error::at(line, "HEALTHCHECK takes CMD and a command, or NONE")),
        }
    }
}

fn time(flags: &mut Flags, name: &str, line: usize) -> Result<Option<Duration>> {
    let Some(text) = flags.value(name)? else { return Ok(None) };
    match duration(&text) {
        Some(time) if time.is_zero() || time >= Duration::from_millis(1) => Ok(Some(time)),
        Some(_) => Err(Error::at(line, format!("--{name}={text}: must be at least 1ms"))),
        None => Err(Error::at(line, format!("--{name}={text}: must be a time such as 30s or 1m30s"))),
    }
}

fn retries(flags: &mut Flags, line: usize) -> Result<Option<u32>> {
    let Some(text) = flags.value("retries")? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Error::at(line, format!("--retries={text}: must be a number")))
}

/// Reads `1h2m3.5s`, as Go writes times.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total =
            total.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}
