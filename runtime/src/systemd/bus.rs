//! A connection to systemd: through the message bus, or its own socket for root.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::wire::{MAX_MESSAGE_BYTES, Reader, Writer};

const DESTINATION: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// How long an answer or the end of a job may take.
const PATIENCE: Duration = Duration::from_secs(30);

const CALL: u8 = 1;
const REPLY: u8 = 2;
const FAILURE: u8 = 3;
const SIGNAL: u8 = 4;

/// Why systemd could not be asked, or refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error("connect to systemd: {0}")]
    Connect(io::Error),
    /// It does not go on.
    #[error("talk to systemd: {0}")]
    Talk(#[from] io::Error),
    /// What came is no message.
    #[error("talk to systemd: an answer that is none")]
    Protocol,
    /// systemd refused.
    #[error("systemd refuses {call}: {message} ({name})")]
    Refused {
        /// The call.
        call: String,
        /// Name of the error.
        name: String,
        /// Its words.
        message: String,
    },
    /// A job ended otherwise than well.
    #[error("error creating systemd unit `{unit}`: got `{result}`")]
    Job {
        /// The unit.
        unit: String,
        /// The result, or that it took too long.
        result: String,
    },
    /// The cgroup path of a spec is no unit.
    #[error("{0}")]
    Form(String),
}

/// A message that came.
#[derive(Debug)]
pub(super) struct Message {
    kind: u8,
    reply_to: u32,
    name: String,
    member: String,
    body: Vec<u8>,
    big_endian: bool,
}

/// An open connection.
#[derive(Debug)]
pub struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
    /// Signals that came while an answer was waited for.
    signals: Vec<Message>,
}

impl Bus {
    /// To the systemd of the host.
    ///
    /// # Errors
    /// When there is none.
    pub fn system() -> Result<Self, Error> {
        let bus = Path::new("/run/dbus/system_bus_socket");
        match Self::through_bus(bus) {
            Err(_) if geteuid().is_root() => Self::connect(Path::new("/run/systemd/private")),
            result => result,
        }
    }

    /// To the systemd of this user.
    ///
    /// # Errors
    /// When there is none.
    pub fn user() -> Result<Self, Error> {
        let address = std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
        let named = address.strip_prefix("unix:path=").and_then(|path| path.split([',', ';']).next());
        let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| format!("/run/user/{}", geteuid()).into());
        let bus = named.map_or_else(|| folder.join("bus"), PathBuf::from);
        Self::through_bus(&bus).or_else(|_| Self::connect(&folder.join("systemd/private")))
    }

    fn through_bus(path: &Path) -> Result<Self, Error> {
        let mut bus = Self::connect(path)?;
        bus.call(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "Hello",
            "",
            |_| {},
        )?;
        let rule = format!("type='signal',interface='{MANAGER}',member='JobRemoved',path='{MANAGER_PATH}'");
        let interface = "org.freedesktop.DBus";
        bus.call(interface, "/org/freedesktop/DBus", interface, "AddMatch", "s", |body| body.text(&rule))?;
        Ok(bus)
    }

    fn connect(path: &Path) -> Result<Self, Error> {
        let mut stream = UnixStream::connect(path).map_err(Error::Connect)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let uid: String = geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        // In one piece: a systemd that reads BEGIN together with a first call does not look at the call before more comes.
        stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").as_bytes())?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.by_ref().take(1024).read_line(&mut line)?;
        if !line.starts_with("OK ") {
            return Err(Error::Connect(io::Error::new(io::ErrorKind::PermissionDenied, line)));
        }
        Ok(Self { stream, serial: 0, signals: Vec::new() })
    }

    /// Asks systemd's manager; returns the body of its answer.
    pub(super) fn ask(
        &mut self,
        member: &str,
        signature: &str,
        write: impl FnOnce(&mut Writer),
    ) -> Result<Vec<u8>, Error> {
        let answer = self.call(DESTINATION, MANAGER_PATH, MANAGER, member, signature, write)?;
        Ok(answer.body)
    }

    /// Where the manager's own units have their cgroups.
    pub(super) fn control_group(&mut self) -> Result<String, Error> {
        let properties = "org.freedesktop.DBus.Properties";
        let answer = self.call(DESTINATION, MANAGER_PATH, properties, "Get", "ss", |body| {
            body.text(MANAGER);
            body.text("ControlGroup");
        })?;
        let mut reader = Reader::new(&answer.body, answer.big_endian);
        let text = reader.signature().filter(|kind| *kind == "s").and_then(|_| reader.text());
        text.map(str::to_owned).ok_or(Error::Protocol)
    }

    /// As [`Bus::ask`], where the answer is a job whose end is waited for.
    pub(super) fn run_job(
        &mut self,
        unit: &str,
        member: &str,
        signature: &str,
        write: impl FnOnce(&mut Writer),
    ) -> Result<(), Error> {
        self.signals.clear();
        self.ask("Subscribe", "", |_| {})?;
        let answer = self.call(DESTINATION, MANAGER_PATH, MANAGER, member, signature, write)?;
        let job = Reader::new(&answer.body, answer.big_endian).text().ok_or(Error::Protocol)?.to_owned();
        let until = Instant::now() + PATIENCE;
        let failed = |result: &str| Error::Job { unit: unit.to_owned(), result: result.to_owned() };
        loop {
            let early = (!self.signals.is_empty()).then(|| self.signals.remove(0));
            let signal = match early {
                Some(signal) => signal,
                None => self.receive()?,
            };
            match end_of(&signal, &job) {
                Some("done") => return Ok(()),
                Some(result) => return Err(failed(result)),
                None if Instant::now() > until => return Err(failed("timeout")),
                None => {}
            }
        }
    }

    fn call(
        &mut self,
        destination: &str,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        write: impl FnOnce(&mut Writer),
    ) -> Result<Message, Error> {
        self.serial += 1;
        let serial = self.serial;
        let mut body = Writer::default();
        write(&mut body);
        let fields: [(u8, &str, &str); 4] =
            [(1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination)];
        let message = encode(serial, &fields, signature, &body.into_bytes());
        self.stream.get_mut().write_all(&message)?;
        loop {
            let message = self.receive()?;
            match message.kind {
                REPLY if message.reply_to == serial => return Ok(message),
                FAILURE if message.reply_to == serial => {
                    let text = Reader::new(&message.body, message.big_endian).text().unwrap_or_default();
                    let (call, text) = (member.to_owned(), text.to_owned());
                    return Err(Error::Refused { call, name: message.name, message: text });
                }
                SIGNAL => self.signals.push(message),
                _ => {}
            }
        }
    }

    fn receive(&mut self) -> Result<Message, Error> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let big_endian = head[0] == b'B';
        let mut reader = Reader::new(&head, big_endian);
        let start = reader.take(4).ok_or(Error::Protocol)?;
        let kind = start.get(1).copied().ok_or(Error::Protocol)?;
        let mut size =
            || reader.number32().and_then(|size| usize::try_from(size).ok()).ok_or(Error::Protocol);
        let (body, _, fields) = (size()?, size()?, size()?);
        let padded = fields.next_multiple_of(8);
        if body > MAX_MESSAGE_BYTES || padded > MAX_MESSAGE_BYTES {
            return Err(Error::Protocol);
        }
        let mut rest = vec![0; padded + body];
        self.stream.read_exact(&mut rest)?;
        let (header, body) = rest.split_at(padded);
        let header = header.get(..fields).ok_or(Error::Protocol)?;
        decode(kind, header, body, big_endian).ok_or(Error::Protocol)
    }
}

/// Result of the job, if this is the signal of its end.
fn end_of<'a>(signal: &'a Message, job: &str) -> Option<&'a str> {
    if signal.kind != SIGNAL || signal.member != "JobRemoved" {
        return None;
    }
    let mut reader = Reader::new(&signal.body, signal.big_endian);
    reader.number32()?;
    if reader.text()? != job {
        return None;
    }
    reader.text()?;
    reader.text()
}

fn encode(serial: u32, fields: &[(u8, &str, &str)], signature: &str, body: &[u8]) -> Vec<u8> {
    let mut head = Writer::default();
    [b'l', CALL, 0, 1].into_iter().for_each(|byte| head.byte(byte));
    head.number32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    head.number32(serial);
    head.array(8, |head| {
        for (code, kind, value) in fields {
            head.align(8);
            head.byte(*code);
            head.signature(kind);
            head.text(value);
        }
        if !signature.is_empty() {
            head.align(8);
            head.byte(8);
            head.signature("g");
            head.signature(signature);
        }
    });
    head.align(8);
    let mut message = head.into_bytes();
    message.extend(body);
    message
}

fn decode(kind: u8, header: &[u8], body: &[u8], big_endian: bool) -> Option<Message> {
    let mut message = Message {
        kind,
        reply_to: 0,
        name: String::new(),
        member: String::new(),
        body: body.to_vec(),
        big_endian,
    };
    let mut reader = Reader::new(header, big_endian);
    while reader.at() < header.len() {
        reader.align(8);
        let code = reader.byte()?;
        match (code, reader.signature()?) {
            (5, "u") => message.reply_to = reader.number32()?,
            (4, "s") => reader.text()?.clone_into(&mut message.name),
            (3, "s") => reader.text()?.clone_into(&mut message.member),
            (_, "s" | "o") => drop(reader.text()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.number32()?),
            _ => return None,
        }
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_call_can_be_read_again() {
        let message = encode(7, &[(1, "o", "/a"), (3, "s", "Go")], "s", &[1, 0, 0, 0, b'x', 0]);
        assert_eq!(message.len() % 2, 0);
        let fields = usize::from(message[12]);
        let read =
            decode(message[1], &message[16..16 + fields], &message[16 + fields.next_multiple_of(8)..], false);
        let read = read.unwrap();
        assert_eq!((read.kind, read.member.as_str(), read.body.len()), (CALL, "Go", 6));
    }

    proptest! {
        /// Whatever comes as a header, it is a message or none.
        #[test]
        fn any_header_can_be_read(header: Vec<u8>, body: Vec<u8>, kind: u8, big: bool) {
            if let Some(message) = decode(kind, &header, &body, big) {
                let _end = end_of(&message, "/job");
            }
        }
    }
}
