//! Names inside a session's network (RFC 1034, RFC 1035): its own instances, and beyond them what its way out leads to.
//!
//! The sockets were opened on the session's switch by the supervisor; whoever asks is one of its instances. Messages are
//! hickory's; which of them are answered, and how, is decided here.

mod answer;
mod forward;
mod server;
mod zone;

pub use forward::{Forward, Upstream};
pub use server::{Names, serve};
pub use zone::Zone;
