//! Execs in the API.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sandlot_runtime::supervisor::protocol::{Command, Defaults};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::owner::{Instance, Owner};
use crate::app::App;
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::session::exec::{ExecResult, NewExec};

/// A program to run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecRequest {
    argv: Vec<String>,
    #[serde(default)]
    stdin: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    user: Option<String>,
    timeout_ms: Option<u64>,
}

/// `POST /api/v1/sessions/{id}/instances/{instance}/exec`
pub(super) async fn run(
    State(app): State<App>,
    Owner(owner): Owner,
    Instance(instance): Instance,
    Body(request): Body<ExecRequest>,
) -> Result<Json<Value>> {
    let result = app.sessions.exec(&owner, instance, request.check()?).await?;
    Ok(Json(present(&result)))
}

impl ExecRequest {
    /// The exec, if it is within the limits.
    fn check(self) -> Result<NewExec> {
        let refuse = |sentence: &str| Err(Error::new(ErrorKind::Invalid, sentence));
        if self.argv.first().is_none_or(String::is_empty) {
            return refuse("argv must name a program.");
        }
        if self.argv.len() > limits::EXEC_ARGUMENTS || self.env.len() > limits::EXEC_VARIABLES {
            return refuse("An exec has at most 256 arguments and 128 variables.");
        }
        if self.command_bytes() > limits::EXEC_COMMAND_BYTES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "Arguments, variables and paths together have at most 16 KiB.",
            ));
        }
        if self.stdin.len() > limits::EXEC_STDIN_BYTES {
            return Err(Error::new(ErrorKind::TooLarge, "stdin has at most 128 KiB."));
        }
        if self.texts().any(|text| text.contains('\0'))
            || self.env.keys().any(|name| name.is_empty() || name.contains('='))
        {
            return refuse(
                "No text may contain a NUL, and no variable's name may be empty or contain an equals sign.",
            );
        }
        let time = self.timeout_ms.map_or(limits::EXEC_TIME_DEFAULT, Duration::from_millis);
        if time.is_zero() || time > limits::EXEC_TIME_MAX {
            return refuse("timeout_ms must be 1 to 300000.");
        }
        let command = Command {
            argv: self.argv,
            env: self.env.into_iter().collect(),
            cwd: self.cwd,
            user: self.user,
            defaults: Defaults::Person,
        };
        Ok(NewExec { command, stdin: self.stdin.into_bytes(), time })
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        let variables = self.env.iter().flat_map(|(name, value)| [name, value]);
        self.argv.iter().chain(variables).chain(&self.cwd).chain(&self.user)
    }

    fn command_bytes(&self) -> usize {
        self.texts().map(String::len).sum()
    }
}

fn present(result: &ExecResult) -> Value {
    let signal = result.status.signal;
    json!({
        "exit_code": result.status.code.or(signal.map(|signal| 128 + signal)),
        "signal": signal,
        "timed_out": result.timed_out,
        "stdout": String::from_utf8_lossy(&result.stdout.bytes),
        "stdout_truncated": result.stdout.truncated,
        "stderr": String::from_utf8_lossy(&result.stderr.bytes),
        "stderr_truncated": result.stderr.truncated,
    })
}
