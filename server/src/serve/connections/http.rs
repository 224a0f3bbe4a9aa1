//! HTTP over an open connection, with the limits of both versions.
//!
//! HTTP/2 announces no extended CONNECT (RFC 8441): browsers then open websockets over HTTP/1.1, as without TLS.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::config::limits;
use crate::shutdown::Shutdown;

/// HTTP/1.1, until the connection ends or has become a websocket.
pub(super) async fn speak_1<I, S, B>(stream: I, service: S, shutdown: &Shutdown) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shutdown.begun() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// HTTP/2, until the connection ends; one that brings nothing new for a while is asked to end.
pub(super) async fn speak_2<I, S, B>(stream: I, service: S, shutdown: &Shutdown) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let quiet = Quiet::default();
    let last = quiet.clone();
    let service = service_fn(move |request| {
        last.is_over();
        service.call(request)
    });
    let connection = builder().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shutdown.begun() => {}
        () = quiet.lasted(limits::QUIET_TIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::PING_EVERY)
        .keep_alive_timeout(limits::HEAD_TIME)
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(limits::HEAD_BYTES as u32)
        .max_pending_accept_reset_streams(limits::WITHDRAWN_STREAMS)
        .max_local_error_reset_streams(limits::RESET_STREAMS)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(limits::STREAM_SEND_BYTES);
    builder
}

/// Since when no request has come.
#[derive(Debug, Clone)]
struct Quiet(Arc<Mutex<Instant>>);

impl Default for Quiet {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Quiet {
    /// A request has come.
    fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Resolves once none has come for so long.
    async fn lasted(&self, time: std::time::Duration) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + time;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}
