//! The one implementation of cryptography that TLS uses here: ring, for the whole process.

/// Lets every TLS connection of this process use ring. May be called again.
pub fn use_ring() {
    // An error says that it was chosen before, and nothing else is linked.
    rustls::crypto::ring::default_provider().install_default().ok();
}
