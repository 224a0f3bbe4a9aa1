//! The images that come with Sandlot: the recipes of the runtime, and Dockerfiles of `deploy/images` over them.

use std::fs::File;
use std::io::{self, Seek};
use std::str::FromStr;

use sandlot_runtime::image::Recipe;

use crate::config::DEFAULT_IMAGES;

/// One that can be made.
#[derive(Debug, Clone, Copy)]
pub enum DefaultImage {
    /// Made from what the host has.
    Recipe(Recipe),
    /// Built over the image `debian`.
    Dockerfile(&'static Dockerfile),
}

/// A Dockerfile with its context, part of this program.
#[derive(Debug)]
pub struct Dockerfile {
    /// Name of the image.
    pub name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! dockerfile {
    ($name:literal $(, $file:literal)*) => {
        Dockerfile {
            name: $name,
            files: &[
                ("Dockerfile", include_str!(concat!("../../../deploy/images/", $name, "/Dockerfile"))),
                $(($file, include_str!(concat!("../../../deploy/images/", $name, "/", $file))),)*
            ],
        }
    };
}

static DOCKERFILES: [Dockerfile; 3] =
    [dockerfile!("workbench", "sudoers", "profile.sh", "bashrc"), dockerfile!("node"), dockerfile!("python")];

impl DefaultImage {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let recipes = Recipe::ALL.into_iter().map(Self::Recipe);
        recipes.chain(DOCKERFILES.iter().map(Self::Dockerfile))
    }

    /// Name of the image.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recipe(recipe) => recipe.name(),
            Self::Dockerfile(dockerfile) => dockerfile.name,
        }
    }
}

impl FromStr for DefaultImage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::all()
            .find(|image| image.name() == name)
            .ok_or_else(|| format!("must be one of {}", DEFAULT_IMAGES.join(", ")))
    }
}

impl Dockerfile {
    /// The context, as a tar in memory.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn context(&self) -> io::Result<File> {
        let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
        let file = File::from(nix::sys::memfd::memfd_create(c"context", flags)?);
        let mut tar = tar::Builder::new(file);
        for (name, content) in self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes())?;
        }
        let mut file = tar.into_inner()?;
        file.rewind()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_known_by_name() {
        assert!(
            DEFAULT_IMAGES.iter().all(|name| name.parse::<DefaultImage>().is_ok_and(|i| i.name() == *name))
        );
        assert_eq!(DefaultImage::all().count(), DEFAULT_IMAGES.len());
        assert!("other".parse::<DefaultImage>().unwrap_err().contains("workbench"));
    }
}
