//! Which images can be started from, and how far those are that are being made.
//!
//! Holds what is known; [`refresh`](Images::set) is called by whoever looks (the start, the maker's progress, a request
//! for an image that was missing).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sandlot_runtime::supervisor::name::DiffId;

use crate::error::{Error, ErrorKind, Result};

/// State of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// Its layers stand unpacked, from the lowest to the highest.
    Ready(Vec<DiffId>),
    /// It is being made; the text says how far.
    Making(String),
    /// It is not in the content store, or not unpacked.
    Missing,
}

/// What is known of the images.
#[derive(Debug, Default)]
pub struct Images {
    known: Mutex<BTreeMap<String, ImageState>>,
    /// The local backend needs none.
    always_ready: bool,
}

impl Images {
    /// For a backend without images.
    pub fn none_needed() -> Self {
        Self { known: Mutex::default(), always_ready: true }
    }

    /// Notes a state.
    pub fn set(&self, image: &str, state: ImageState) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned(), state);
    }

    /// The state of an image.
    pub fn state(&self, image: &str) -> ImageState {
        if self.always_ready {
            return ImageState::Ready(Vec::new());
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(image).cloned().unwrap_or(ImageState::Missing)
    }

    /// The layers of an image that can be started from.
    ///
    /// # Errors
    /// When it is missing or being made.
    pub fn layers(&self, image: &str) -> Result<Vec<DiffId>> {
        match self.state(image) {
            ImageState::Ready(layers) => Ok(layers),
            ImageState::Making(progress) => Err(Error::new(
                ErrorKind::ImageNotReady,
                format!("The image {image} is still being made ({progress}). Try again in a minute, or choose another playground."),
            )
            .retry_after(std::time::Duration::from_secs(15))),
            ImageState::Missing => Err(Error::new(
                ErrorKind::ImageNotReady,
                format!("The image {image} is not on this node. The operator can add it with `sandlot image import`."),
            )),
        }
    }
}
