//! Log lines of the supervisor and the guardian: one fact a line on standard error, plain or JSON. Never content of a
//! terminal, never a token (none comes this way).

use std::fmt::Display;
use std::io::Write;
use std::sync::OnceLock;

use super::clock;
use super::name::SessionNumber;

/// Who speaks, and in which form; set once at the start of the role.
static FORM: OnceLock<Form> = OnceLock::new();

struct Form {
    role: &'static str,
    json: bool,
}

/// Sets the role's name and the form of the lines. Later calls change nothing.
pub(crate) fn begin(role: &'static str, json: bool) {
    FORM.get_or_init(|| Form { role, json });
}

/// Something happened as it should.
pub(crate) fn info(message: impl Display) {
    line("info", None, &message);
}

/// Something is not as it should be, and the work goes on.
pub(crate) fn warn(message: impl Display) {
    line("warn", None, &message);
}

/// As [`info`], about a session.
pub(crate) fn session(session: SessionNumber, message: impl Display) {
    line("info", Some(session), &format_args!("session {session}: {message}"));
}

/// As [`warn`], about a session.
pub(crate) fn session_warn(session: SessionNumber, message: impl Display) {
    line("warn", Some(session), &format_args!("session {session}: {message}"));
}

fn line(level: &str, session: Option<SessionNumber>, message: &dyn Display) {
    let form = FORM.get_or_init(|| Form { role: "supervisor", json: false });
    let text =
        if form.json { json(form.role, level, session, message) } else { plain(form.role, level, message) };
    // A log that cannot be written has no better place to say so.
    let _unwritten = std::io::stderr().write_all(text.as_bytes());
}

fn plain(role: &str, level: &str, message: &dyn Display) -> String {
    format!("{role} {level}: {message}\n")
}

fn json(role: &str, level: &str, session: Option<SessionNumber>, message: &dyn Display) -> String {
    let line = serde_json::json!({
        "time_unix_ms": clock::unix_ms(), "role": role, "level": level,
        "session": session, "message": message.to_string(),
    });
    format!("{line}\n")
}
