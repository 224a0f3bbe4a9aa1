//! Which kind of manifest an answer is. Header and document must agree: content that one reader takes for an index and
//! another for a manifest is an attack (OCI image spec, "considerations": CVE-2021-41190).

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What we can read, the newest first.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OLD: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
}

/// The media type of a manifest, by its header and its text.
///
/// # Errors
/// A sentence when it is none, an old one, or one that contradicts itself.
pub(super) fn media_type(header: Option<&str>, body: &[u8]) -> Result<String, String> {
    let header =
        header.and_then(|header| header.split(';').next()).map(|kind| kind.trim().to_ascii_lowercase());
    if header.as_deref().is_some_and(|kind| OLD.contains(&kind)) {
        return Err(too_old());
    }
    let shape: Shape = serde_json::from_slice(body).map_err(|_| "it sends no manifest".to_owned())?;
    if shape.schema_version == 1 {
        return Err(too_old());
    }
    let header = header.filter(|kind| is_known(kind));
    let own = shape.media_type.clone().filter(|kind| is_known(kind));
    if let (Some(header), Some(own)) = (&header, &own)
        && header != own
    {
        return Err(format!("it sends {header}, and the document says {own}"));
    }
    let is_index = shape.manifests.is_some();
    if is_index == (shape.config.is_some() || shape.layers.is_some()) {
        return Err("it sends a document that is neither an index nor a manifest, or both".to_owned());
    }
    let kind = header.or(own).unwrap_or_else(|| (if is_index { INDEX } else { MANIFEST }).to_owned());
    if is_index == matches!(kind.as_str(), INDEX | DOCKER_LIST) {
        Ok(kind)
    } else {
        Err(format!("it sends {kind} that is none"))
    }
}

fn is_known(kind: &str) -> bool {
    [INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].contains(&kind)
}

fn too_old() -> String {
    "the image has the old manifest schema 1, which is not supported; push it again with a current client"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_document_agree() {
        let index = br#"{"schemaVersion":2,"manifests":[]}"#;
        let manifest = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        assert_eq!(media_type(Some("application/json"), index).unwrap(), INDEX);
        assert_eq!(media_type(None, manifest).unwrap(), MANIFEST);
        assert_eq!(
            media_type(Some(&format!("{DOCKER_MANIFEST}; charset=utf-8")), manifest).unwrap(),
            DOCKER_MANIFEST
        );
        let typed = format!(r#"{{"mediaType":"{DOCKER_LIST}","manifests":[]}}"#);
        assert_eq!(media_type(None, typed.as_bytes()).unwrap(), DOCKER_LIST);
        assert!(media_type(Some(INDEX), typed.as_bytes()).is_err());
        assert!(media_type(Some(INDEX), manifest).is_err());
        assert!(media_type(Some(MANIFEST), index).is_err());
    }

    #[test]
    fn what_is_ambiguous_old_or_nonsense_is_refused() {
        for bad in ["", "[]", "{}", r#"{"manifests":[],"layers":[]}"#, r#"{"schemaVersion":2}"#] {
            assert!(media_type(None, bad.as_bytes()).is_err(), "{bad}");
        }
        let old = media_type(None, br#"{"schemaVersion":1,"fsLayers":[]}"#).unwrap_err();
        assert!(old.contains("schema 1"));
        assert!(media_type(Some(OLD[1]), b"{}").unwrap_err().contains("schema 1"));
    }
}
