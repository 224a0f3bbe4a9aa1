//! A listening TCP port of an instance, as sock_diag(7) tells it.

/// One port, whatever the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// The port.
    pub port: u16,
    /// Whether an IPv4 connection to it is taken.
    pub v4: bool,
    /// Whether an IPv6 connection to it is taken.
    pub v6: bool,
}
