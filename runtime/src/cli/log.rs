//! Log entries, in the two formats that engines read.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;

use super::arguments::Parsed;
use crate::oci::{Error, clock};

/// Where log entries go, and how they look.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<RefCell<File>>,
    json: bool,
    debug: bool,
}

impl Log {
    pub(super) fn open(global: &Parsed) -> Result<Self, Error> {
        let json = match global.text("log-format").unwrap_or("text") {
            "text" | "" => false,
            "json" => true,
            other => return Err(Error::said(format!("invalid log-format: {other}"))),
        };
        let open = |path: &str| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map(RefCell::new).map_err(Error::file("open", path))
        };
        let file = global.filled("log").map(open).transpose()?;
        Ok(Self { file, json, debug: global.has("debug") })
    }

    /// An error is also said to whoever looks at the standard error.
    pub(super) fn error(&self, text: &str) {
        self.write("error", text);
        if self.file.is_some() {
            // Without a standard error nobody listens.
            let _unheard = writeln!(std::io::stderr(), "{text}");
        }
    }

    pub(super) fn warn(&self, text: &str) {
        self.write("warning", text);
    }

    pub(super) fn warn_all(&self, texts: &[String]) {
        texts.iter().for_each(|text| self.warn(text));
    }

    /// The stages of a start, in the words that people know from runc: `init` makes a container, `setns_init` joins one.
    pub(super) fn trace_start(&self, kind: &str) {
        self.debug("nsexec container setup: clone into the namespaces");
        self.debug("child process in init(): run the steps up to exec");
        self.debug(match kind {
            "init" => "init: closing the pipe to signal completion",
            _ => "setns_init: about to exec",
        });
    }

    fn debug(&self, text: &str) {
        if self.debug {
            self.write("debug", text);
        }
    }

    fn write(&self, level: &str, text: &str) {
        let time = clock::now();
        let seconds = time.split('.').next().unwrap_or_default();
        let line = if self.json {
            serde_json::json!({"level": level, "msg": text, "time": format!("{seconds}Z")}).to_string()
        } else {
            format!("time=\"{seconds}Z\" level={level} msg={text:?}")
        };
        // A log that cannot be written to must not stop a container.
        let _unheard = match &self.file {
            Some(file) => writeln!(file.borrow_mut(), "{line}"),
            None => writeln!(std::io::stderr(), "{line}"),
        };
    }
}
