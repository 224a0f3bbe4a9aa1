//! Messages to bytes and back: JSON, bounded in length; nothing else is accepted.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::MAX_MESSAGE_BYTES;

/// A message could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("message of {0} bytes: longer than allowed")]
    TooLong(usize),
    /// Not JSON of this type.
    #[error("message: {0}")]
    Malformed(#[source] serde_json::Error),
}

/// Writes one message.
///
/// # Errors
/// [`CodecError::TooLong`] when it does not fit.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = serde_json::to_vec(message).map_err(CodecError::Malformed)?;
    if bytes.len() > MAX_MESSAGE_BYTES { Err(CodecError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// Reads one message.
///
/// # Errors
/// When it is too long or not a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(CodecError::TooLong(bytes.len()));
    }
    serde_json::from_slice(bytes).map_err(CodecError::Malformed)
}
