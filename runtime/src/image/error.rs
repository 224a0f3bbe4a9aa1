//! What can go wrong with images.

use std::io;

use super::Digest;

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
    #[error("verify {object}: its digest is {found}, not {expected}")]
    Digest {
        /// What.
        object: String,
        /// As promised.
        expected: Digest,
        /// As it is.
        found: Digest,
    },
    /// Content does not have the size it goes by.
    #[error("verify {digest}: it has {found} bytes, not {expected}")]
    Size {
        /// Which blob.
        digest: Digest,
        /// As promised.
        expected: u64,
        /// As it is, or as much as came before it was given up.
        found: u64,
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
    #[error("read {object}: compressed by {by}, which is not supported; use gzip, zstd or none")]
    Compression {
        /// What.
        object: String,
        /// The program's name.
        by: &'static str,
    },
    /// An archive holds nothing that could be an image.
    #[error(
        "load the archive: it is neither an OCI layout nor what `docker save` writes; a root file system is brought in by `sandlot image import`"
    )]
    NoImage,
    /// An archive is empty or no archive.
    #[error("import the root file system: it is no tar archive, or an empty one")]
    NoRootFilesystem,
    /// There is no such image.
    #[error("find image `{0}`: there is none")]
    UnknownImage(String),
    /// Several images' ids begin so.
    #[error("find image `{0}`: the ids of several images begin so; give more digits")]
    Ambiguous(String),
    /// An index has nothing for this platform.
    #[error("choose an image for {wanted}: there is none; there are {there}")]
    NoPlatform {
        /// For which one was asked.
        wanted: String,
        /// Those of the index.
        there: String,
    },
    /// An image has several names, so its id does not say which of them is to go.
    #[error("remove image {id}: it has several names ({names}); give one of them, or use --force")]
    SeveralNames {
        /// The id as it was given.
        id: String,
        /// All names.
        names: String,
    },
    /// There is no such blob.
    #[error("find blob {0}: there is none")]
    UnknownBlob(Digest),
    /// A text is no image name.
    #[error("name an image `{text}`: {rule}")]
    InvalidReference {
        /// The text, shortened.
        text: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A text is no digest.
    #[error("read digest `{0}`: must be sha256: and 64 or sha512: and 128 lower-case hexadecimal digits")]
    InvalidDigest(String),
    /// A text is no platform.
    #[error("read platform `{0}`: must be os/architecture or os/architecture/variant, such as linux/amd64")]
    InvalidPlatform(String),
    /// A text is no name of a scope.
    #[error("name a scope `{0}`: must be 1 to 64 of a-z, 0-9 and inner hyphens")]
    InvalidScope(String),
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
