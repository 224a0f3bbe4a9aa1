//! A server written by hand, so that it can answer what no HTTP library would. One request a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The lines of the head.
    pub(crate) head: String,
    /// As much of the body as was read.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// A header's value by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// What is done with a connection after the head of its request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads this many bytes of the body, or all of it.
    Read(usize),
    Send(Vec<u8>),
    /// The bytes one by one, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// The bytes again and again.
    Endless(Vec<u8>),
    /// Says nothing until the other side leaves.
    Hang,
}

pub(crate) type Reply = Vec<Step>;

/// An ordinary answer; the headers each end with a line break.
pub(crate) fn reply(status: &str, headers: &str, body: &[u8]) -> Reply {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    vec![Step::Read(usize::MAX), Step::Send([head.as_bytes(), body].concat())]
}

/// An answer without a length, up to the end of the connection, then whatever follows.
pub(crate) fn open_reply(status: &str, headers: &str, then: Vec<Step>) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n");
    [vec![Step::Send(head.into_bytes())], then].concat()
}

pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Liar {
    /// Listens on a free port of an address of this host; `answer` gets the request without its body, and how many
    /// came before it.
    pub(crate) async fn start<F>(ip: &str, answer: F) -> Self
    where
        F: Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        Self::on(listener, answer)
    }

    pub(crate) fn on<F>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    {
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move {
                    // A client that leaves in the middle is what many tests want.
                    serve(stream, &kept, &*answer).await.ok();
                });
            }
        });
        Self { address, seen, task }
    }

    /// Everything that came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Seen>>,
    answer: &(dyn Fn(&Seen, usize) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let (request, mut body) = head(&mut stream).await?;
    let (index, steps) = {
        let mut all = seen.lock().unwrap();
        all.push(request.clone());
        (all.len() - 1, answer(&request, all.len() - 1))
    };
    for step in steps {
        match step {
            Step::Read(limit) => {
                read_body(&mut stream, &request, &mut body, limit).await?;
                seen.lock().unwrap()[index].body.clone_from(&body);
            }
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    stream.write_all(&[byte]).await?;
                }
            }
            Step::Endless(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
            Step::Hang => {
                stream.read_to_end(&mut Vec::new()).await?;
            }
        }
    }
    stream.shutdown().await
}

/// The head, and what came of the body with it. Whatever does not speak HTTP gets a closed connection.
async fn head(stream: &mut TcpStream) -> std::io::Result<(Seen, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes).map_err(std::io::Error::other)?;
            let mut words = head.split(' ').map(str::to_owned);
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            return Ok((Seen { method, path, head, body: Vec::new() }, body));
        }
        if bytes.first().is_some_and(|byte| !byte.is_ascii_alphabetic())
            || stream.read_buf(&mut bytes).await? == 0
        {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

async fn read_body(
    stream: &mut TcpStream,
    request: &Seen,
    body: &mut Vec<u8>,
    limit: usize,
) -> std::io::Result<()> {
    let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    while body.len() < length.min(limit) {
        if stream.read_buf(body).await? == 0 {
            break;
        }
    }
    body.truncate(length.min(limit));
    Ok(())
}
