//! The listening socket: from the service manager, from the supervisor that kept it, or new.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::protocol::{RefusalKind, Reply, Request};
use sandlot_runtime::sys::descriptor;

use crate::config::Config;

/// First descriptor that a service manager hands over (sd_listen_fds(3)).
const FIRST_GIVEN: i32 = 3;

/// The socket of LISTEN_FDS, where it is meant for this process.
pub(super) fn given_by_service_manager() -> Result<Option<TcpListener>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    match number("LISTEN_FDS") {
        None | Some(0) => Ok(None),
        Some(1) => Ok(Some(TcpListener::from(descriptor::own(FIRST_GIVEN)))),
        Some(more) => bail!("the service manager gave {more} sockets (LISTEN_FDS); serve takes one"),
    }
}

/// The socket to serve on. A new one is left with the supervisor, so that the next serve finds every connection that
/// waits in it.
pub(super) fn take_or_bind(
    config: &Config,
    given: Option<TcpListener>,
    supervisor: &mut Client,
) -> Result<TcpListener> {
    let listener = match given {
        Some(listener) => listener,
        None => match kept(config, supervisor)? {
            Some(listener) => return ready(listener),
            None => TcpListener::bind(config.listen)
                .with_context(|| format!("listen on {} (choose another with --listen)", config.listen))?,
        },
    };
    let name = format!("http:{}", listener.local_addr()?);
    supervisor
        .call(Request::KeepListener { name }, &[listener.as_fd()])
        .context("leave the socket with the supervisor")?;
    ready(listener)
}

fn kept(config: &Config, supervisor: &mut Client) -> Result<Option<TcpListener>> {
    let name = format!("http:{}", config.listen);
    match supervisor.call(Request::TakeListener { name }, &[]) {
        Ok((Reply::Listener, descriptors)) => {
            Ok(descriptors.into_iter().next().map(|socket: OwnedFd| socket.into()))
        }
        Ok(_) => bail!("take the socket: an answer to another question"),
        Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::Unknown => Ok(None),
        Err(error) => Err(error).context("take the socket from the supervisor"),
    }
}

fn ready(listener: TcpListener) -> Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}
