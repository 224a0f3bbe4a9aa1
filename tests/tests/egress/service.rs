//! Something of the node that a session might reach.

use std::io::{Read, Write};
use std::net::TcpListener;

use anyhow::Result;
use sandlot_tests::place::Place;

/// Answers every request to this port of the host's, in a thread of its own.
pub(crate) fn on_host(port: u16) -> Result<()> {
    serve(TcpListener::bind(("::", port))?);
    Ok(())
}

/// The same in another namespace.
pub(crate) fn within(place: &Place, port: u16) -> Result<()> {
    serve(place.within(|| Ok(TcpListener::bind(("::", port))?))?);
    Ok(())
}

fn serve(listener: TcpListener) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever breaks off needs no answer.
            drop(stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nnode")));
        }
    });
}
