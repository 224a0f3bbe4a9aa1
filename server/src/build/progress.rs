//! What a build tells while it runs, and the two forms in which people and programs read it.

use std::io::Write;
use std::sync::Mutex;

use serde_json::json;

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A step begins.
    Step {
        /// Its number, from 1.
        number: usize,
        /// Steps in all.
        of: usize,
        /// The instruction.
        text: &'a str,
    },
    /// An earlier build's result is taken.
    Cached,
    /// A command wrote something.
    Output {
        /// Whether to its standard error.
        error: bool,
        /// What, as it came.
        bytes: &'a [u8],
    },
    /// A step has come to this layer.
    Layer {
        /// Its digest, shortened.
        digest: &'a str,
    },
    /// The image is there.
    Built {
        /// Its id.
        id: &'a str,
    },
    /// It has a name.
    Tagged {
        /// The name.
        name: &'a str,
    },
    /// A sentence to note.
    Note {
        /// The sentence.
        text: &'a str,
    },
}

impl Event<'_> {
    /// As the classic builder writes it.
    fn text(&self) -> Vec<u8> {
        match self {
            Self::Step { number, of, text } => format!("Step {number}/{of} : {text}\n").into_bytes(),
            Self::Cached => b" ---> Using cache\n".to_vec(),
            Self::Output { bytes, .. } => bytes.to_vec(),
            Self::Layer { digest } => format!(" ---> {digest}\n").into_bytes(),
            Self::Built { id } => {
                let hex = id.strip_prefix("sha256:").unwrap_or(id);
                format!("Successfully built {}\n", hex.get(..12).unwrap_or(hex)).into_bytes()
            }
            Self::Tagged { name } => format!("Successfully tagged {name}\n").into_bytes(),
            Self::Note { text } => format!("{text}\n").into_bytes(),
        }
    }
}

/// Writes events as text, or as the JSON objects of Docker's API (Engine API, `ImageBuild`), one a line.
#[derive(Debug)]
pub struct Presenter<W> {
    out: Mutex<W>,
    as_json: bool,
}

impl<W: Write> Presenter<W> {
    /// To `out`.
    pub fn new(out: W, as_json: bool) -> Self {
        Self { out: Mutex::new(out), as_json }
    }

    /// Presents one event. Nobody reading is no reason to stop.
    pub fn tell(&self, event: Event<'_>) {
        let text = event.text();
        let mut lines = Vec::new();
        if self.as_json {
            lines.extend(line(&json!({ "stream": String::from_utf8_lossy(&text) })));
            if let Event::Built { id } = event {
                lines.splice(0..0, line(&json!({ "aux": { "ID": id } })));
            }
        } else {
            lines = text;
        }
        self.write(&lines);
    }

    /// Presents why the build failed, for programs; people get it from the command itself.
    pub fn fail(&self, message: &str) {
        if self.as_json {
            self.write(&line(&json!({ "errorDetail": { "message": message }, "error": message })));
        }
    }

    fn write(&self, bytes: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        out.write_all(bytes).and_then(|()| out.flush()).ok();
    }
}

fn line(object: &serde_json::Value) -> Vec<u8> {
    format!("{object}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let mut text = Vec::new();
        let mut objects = Vec::new();
        let events = [
            Event::Step { number: 1, of: 2, text: "FROM a" },
            Event::Cached,
            Event::Output { error: false, bytes: b"out\n" },
            Event::Built { id: "sha256:0123456789abcdef" },
        ];
        for event in events {
            Presenter::new(&mut text, false).tell(event);
            Presenter::new(&mut objects, true).tell(event);
        }
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "Step 1/2 : FROM a\n ---> Using cache\nout\nSuccessfully built 0123456789ab\n");
        let objects = String::from_utf8(objects).unwrap();
        let parsed: Vec<serde_json::Value> =
            objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stream: String = parsed.iter().filter_map(|object| object["stream"].as_str()).collect();
        assert_eq!(stream, text);
        assert_eq!(parsed[3]["aux"]["ID"], "sha256:0123456789abcdef");
    }
}
