//! Which manifest of an index is for which machines (OCI image spec, "image index").

use std::fmt;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageIndex};

use super::Error;

/// A platform: `linux/amd64`, `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Platform {
    /// This host's.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// The operating system.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The processor, by the name that images use.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Its variant, where one is asked for.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The manifest of an index for this platform; one without a platform fits if nothing better does.
    ///
    /// # Errors
    /// When there is none; the error lists what there is.
    pub fn choose<'a>(&self, index: &'a ImageIndex) -> Result<&'a Descriptor, Error> {
        let ranked = index.manifests().iter().filter_map(|manifest| Some((self.rank(manifest)?, manifest)));
        // The first of the best: the order of an index is its maker's preference.
        let best = ranked.min_by_key(|(rank, _)| *rank);
        best.map(|(_, manifest)| manifest).ok_or_else(|| Error::NoPlatform {
            wanted: self.to_string(),
            there: index.manifests().iter().filter_map(described).take(32).collect::<Vec<_>>().join(", "),
        })
    }

    fn rank(&self, manifest: &Descriptor) -> Option<u8> {
        let Some(platform) = manifest.platform() else { return Some(3) };
        if platform.os().to_string() != self.os || platform.architecture().to_string() != self.architecture {
            return None;
        }
        match (&self.variant, platform.variant()) {
            (Some(wanted), Some(found)) if wanted == found => Some(0),
            (Some(_), Some(_)) => None,
            (None, None) => Some(0),
            // What every processor of this kind can run.
            (None, Some(found)) if self.architecture == "arm64" && found == "v8" => Some(0),
            _ => Some(1),
        }
    }
}

fn described(manifest: &Descriptor) -> Option<String> {
    let platform = manifest.platform().as_ref()?;
    let variant = platform.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    Some(format!("{}/{}{variant}", platform.os(), platform.architecture()))
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('/');
        let word = |part: &str| {
            !part.is_empty()
                && part.len() <= 32
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None)
                if [Some(os), Some(architecture), variant].into_iter().flatten().all(word) =>
            {
                let (os, architecture) = (os.to_lowercase(), known(architecture));
                Ok(Self { os, architecture, variant: variant.map(str::to_lowercase) })
            }
            (Some(architecture), None, ..) if word(architecture) && architecture != "linux" => {
                Ok(Self { os: "linux".to_owned(), architecture: known(architecture), variant: None })
            }
            (Some("linux"), None, ..) => Ok(Self::host()),
            _ => Err(Error::InvalidPlatform(text.chars().take(80).collect())),
        }
    }
}

/// The names that people also use.
fn known(architecture: &str) -> String {
    match architecture.to_lowercase().as_str() {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> ImageIndex {
        let manifests: Vec<String> = platforms
            .iter()
            .enumerate()
            .map(|(size, platform)| {
                format!(
                    r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":{size},"digest":"sha256:{}"{platform}}}"#,
                    "0".repeat(64)
                )
            })
            .collect();
        serde_json::from_str(&format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, manifests.join(",")))
            .unwrap()
    }

    const AMD: &str = r#","platform":{"os":"linux","architecture":"amd64"}"#;
    const ARM7: &str = r#","platform":{"os":"linux","architecture":"arm","variant":"v7"}"#;
    const ARM6: &str = r#","platform":{"os":"linux","architecture":"arm","variant":"v6"}"#;
    const UNKNOWN: &str = r#","platform":{"os":"unknown","architecture":"unknown"}"#;

    #[test]
    fn the_manifest_for_a_platform_is_found() {
        let index = index(&[UNKNOWN, ARM6, ARM7, AMD]);
        let chosen = |text: &str| text.parse::<Platform>().unwrap().choose(&index).map(|found| found.size());
        assert_eq!(chosen("linux/amd64").unwrap(), 3);
        assert_eq!(chosen("linux/x86_64").unwrap(), 3);
        assert_eq!(chosen("linux/arm/v7").unwrap(), 2);
        assert_eq!(chosen("linux/arm").unwrap(), 1);
        let error = chosen("linux/s390x").unwrap_err().to_string();
        assert!(error.contains("linux/s390x") && error.contains("linux/arm/v7"), "{error}");
    }

    #[test]
    fn a_manifest_without_a_platform_is_the_last_resort() {
        assert_eq!(Platform::host().choose(&index(&[""])).unwrap().size(), 0);
    }
}
