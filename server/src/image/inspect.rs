//! An image as Docker's API describes it (Engine API, `ImageInspect`).

use sandlot_runtime::image::{Error, Image, Store};
use serde_json::{Value, json};

/// The document, with the configuration as it stands: Docker knows more of it than OCI does. `same` are all entries of the same image, for its names.
///
/// # Errors
/// When a document of the image cannot be written as JSON.
pub fn document(store: &Store, image: &Image, same: &[&Image]) -> Result<Value, Error> {
    let configuration = &image.configuration;
    let names = || same.iter().filter_map(|image| image.reference.as_ref());
    let tags: Vec<String> = names().filter(|name| name.tag().is_some()).map(ToString::to_string).collect();
    let digest = image.digest()?;
    let mut digests: Vec<String> = names().map(|name| format!("{}@{digest}", name.familiar_name())).collect();
    digests.dedup();
    Ok(json!({
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": last_comment(image),
        "Created": configuration.created(),
        "Author": configuration.author().as_deref().unwrap_or_default(),
        "Config": raw(store, image)?,
        "Architecture": configuration.architecture().to_string(),
        "Os": configuration.os().to_string(),
        "Size": image.size_bytes(),
        "RootFS": {
            "Type": "layers",
            "Layers": image.layers.iter().map(|layer| layer.diff_id.to_string()).collect::<Vec<_>>(),
        },
        "Descriptor": to_value(&image.target)?,
    }))
}

fn raw(store: &Store, image: &Image) -> Result<Value, Error> {
    let document = store.document(&image.id)?;
    let mut document: Value = serde_json::from_slice(&document).unwrap_or_default();
    Ok(document.get_mut("config").map(Value::take).unwrap_or_default())
}

fn last_comment(image: &Image) -> String {
    let last = image.configuration.history().as_ref().and_then(|history| history.last());
    last.and_then(|step| step.comment().clone()).unwrap_or_default()
}

fn to_value(document: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(document)
        .map_err(|cause| Error::Document { document: "an image".to_owned(), cause: cause.to_string() })
}
