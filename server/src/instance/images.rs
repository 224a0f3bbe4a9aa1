//! Which images sessions can be started from, and what to tell those who want one that is not ready.

use sandlot_runtime::supervisor::name::DiffId;

use crate::error::{Error, ErrorKind, Result};
use crate::image::{Catalog, ImageState};

/// The images of this node.
#[derive(Debug)]
pub struct Images {
    /// `None` on the local backend, which needs none.
    catalog: Option<Catalog>,
}

impl Images {
    /// For a backend without images.
    pub fn none_needed() -> Self {
        Self { catalog: None }
    }

    /// Those of a content store.
    pub fn of(catalog: Catalog) -> Self {
        Self { catalog: Some(catalog) }
    }

    /// The state of an image.
    pub fn state(&self, image: &str) -> ImageState {
        self.catalog.as_ref().map_or_else(|| ImageState::Ready(Vec::new()), |catalog| catalog.state(image))
    }

    /// The layers of an image that can be started from.
    ///
    /// # Errors
    /// When it is missing or being made.
    pub fn layers(&self, image: &str) -> Result<Vec<DiffId>> {
        match self.state(image) {
            ImageState::Ready(layers) => Ok(layers),
            ImageState::Making(making) => Err(Error::new(
                ErrorKind::ImageNotReady,
                format!("The image {image} is still being made ({making}). Try again in a minute, or choose another playground."),
            )
            .retry_after(std::time::Duration::from_secs(15))),
            ImageState::Failed(why) => Err(Error::new(
                ErrorKind::ImageNotReady,
                format!("The image {image} could not be made. The operator can try again with `sandlot image make {image}`."),
            )
            .with_cause(MakingFailed(why))),
            ImageState::Missing => Err(Error::new(
                ErrorKind::ImageNotReady,
                format!("The image {image} is not on this node. The operator can add it with `sandlot image load` or `sandlot image import`."),
            )),
        }
    }
}

/// Why an image could not be made, for the log.
#[derive(Debug, thiserror::Error)]
#[error("make the image: {0}")]
struct MakingFailed(String);
