//! A program that listens on a port of this machine, as the apps of a session would.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// The app; it ends with the test.
pub(crate) struct App {
    pub(crate) port: u16,
}

/// A body of pieces.
pub(crate) struct Pieces(Box<NextPiece>);

type NextPiece = dyn FnMut(&mut Context<'_>) -> Poll<Option<Bytes>> + Send;

impl Pieces {
    pub(crate) fn text(text: String) -> Self {
        let mut text = Some(Bytes::from(text));
        Self(Box::new(move |_| Poll::Ready(text.take())))
    }

    fn repeated(piece: Bytes, mut times: usize) -> Self {
        Self(Box::new(move |_| {
            times = times.wrapping_sub(1);
            Poll::Ready((times != usize::MAX).then(|| piece.clone()))
        }))
    }

    fn of(mut body: Incoming) -> Self {
        Self(Box::new(move |cx| {
            let frame = Pin::new(&mut body).poll_frame(cx);
            frame.map(|frame| frame?.ok()?.into_data().ok())
        }))
    }

    fn pausing() -> Self {
        let mut sent = false;
        Self(Box::new(move |_| {
            let first = !std::mem::replace(&mut sent, true);
            if first { Poll::Ready(Some(Bytes::from_static(b"data: first\n\n"))) } else { Poll::Pending }
        }))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        (self.0)(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

impl App {
    pub(crate) async fn start() -> Result<Self> {
        Self::on("127.0.0.1:0").await
    }

    pub(crate) async fn on(address: &str) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream));
            }
        });
        Ok(Self { port })
    }
}

async fn connection(stream: TcpStream) {
    let mut start = [0; 512];
    let count = stream.peek(&mut start).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&start[..count]).to_lowercase();
    if head.starts_with("get /ws") {
        return echo(stream).await;
    }
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    drop(served.await);
}

async fn echo(stream: TcpStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Pieces>, Infallible> {
    let response = Response::builder();
    let answer = match request.uri().path() {
        "/big" => response.body(Pieces::repeated(Bytes::from(vec![7; 64 * 1024]), 1600)),
        "/echo" => response.body(Pieces::of(request.into_body())),
        "/events" => response.header("content-type", "text/event-stream").body(Pieces::pausing()),
        "/cookies" => response
            .header("set-cookie", "theirs=1; Domain=example.org; Path=/app")
            .header("set-cookie", "sandlot_x=evil; Path=/")
            .header("clear-site-data", "\"*\"")
            .header("alt-svc", "h3=\":443\"")
            .header("strict-transport-security", "max-age=1")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .body(Pieces::text(String::new())),
        "/moved" => {
            let to = format!("http://{}/there", request.headers()["host"].to_str().unwrap_or_default());
            response.status(302).header("location", to).body(Pieces::text(String::new()))
        }
        "/close" => response.header("connection", "close").body(Pieces::text("bye".into())),
        _ => response.body(Pieces::text(describe(&request))),
    };
    Ok(answer.unwrap_or_else(|_| Response::new(Pieces::text("wrong".into()))))
}

/// The request's first line and headers, one a line.
fn describe(request: &Request<Incoming>) -> String {
    let headers =
        request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or("?")));
    let (method, uri, version) = (request.method(), request.uri(), request.version());
    format!("{method} {uri} {version:?}\n{}", headers.collect::<String>())
}
