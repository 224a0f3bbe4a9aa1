//! What can go wrong with images.

use std::io;

use oci_spec::image::Sha256Digest;

use super::Reference;

/// Work on images failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{operation} `{object}`: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A document of the store or of an archive is not what its specification says.
    #[error("read {document}: {cause}")]
    Document {
        /// Which one.
        document: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Content does not have the digest it goes by.
    #[error("verify {object}: its digest is sha256:{found}, not sha256:{expected}")]
    Digest {
        /// What.
        object: String,
        /// As promised.
        expected: String,
        /// As it is.
        found: String,
    },
    /// An archive lacks a part that it speaks of.
    #[error("read the archive: it has no `{0}`")]
    Missing(String),
    /// Something is larger than is accepted.
    #[error("read {object}: larger than {limit} bytes")]
    TooLarge {
        /// What.
        object: String,
        /// The bound.
        limit: u64,
    },
    /// A compression that is not supported.
    #[error("read {0}: compressed by zstd, which is not supported; use gzip or none")]
    Compression(String),
    /// An archive holds nothing that could be an image.
    #[error("import the archive: it is neither an image archive nor a root file system")]
    NoImage,
    /// The archive has no name for its image and none was given.
    #[error("import the archive: it does not name its image, so a name must be given")]
    NoReference,
    /// There is no such image.
    #[error("find image `{0}`: there is none")]
    UnknownImage(Reference),
    /// There is no such blob.
    #[error("find blob sha256:{}: there is none", .0.digest())]
    UnknownBlob(Sha256Digest),
    /// A text is no image name.
    #[error(
        "name an image `{0}`: must be 1 to 255 of a-z, A-Z, 0-9 and ._-/:@, beginning with a letter or digit"
    )]
    InvalidReference(String),
    /// A recipe did not come to its end.
    #[error("make image `{image}`: {cause}")]
    Recipe {
        /// Which image.
        image: String,
        /// What went wrong, and what to do.
        cause: String,
    },
}

impl Error {
    /// For `map_err`: wraps the system's answer.
    pub(super) fn io(operation: &'static str, object: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let object = object.into();
        move |source| Self::Io { operation, object, source }
    }

    pub(super) fn document(document: impl Into<String>, cause: impl ToString) -> Self {
        Self::Document { document: document.into(), cause: cause.to_string() }
    }
}
