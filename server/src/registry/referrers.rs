//! What refers to a manifest by its `subject`: signatures, bills of materials (distribution spec, "Listing Referrers"),
//! and the tag that stands in for that list at registries without it ("Referrers Tag Schema").

use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use sandlot_runtime::image::{Digest, Reference};
use serde::Deserialize;

use super::exchange::pull_scope;
use super::manifest::{Fetched, MAX_MANIFEST_BYTES};
use super::pace::Body;
use super::site::Site;
use super::transport::Call;
use super::{Client, Error};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Set by registries that keep the list themselves.
const SUBJECT_HEADER: &str = "oci-subject";

/// What a manifest says about itself that its descriptor in a list of referrers repeats.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    annotations: Option<std::collections::HashMap<String, String>>,
}

impl Client {
    /// Puts a manifest or index under the tag of the name, or under its digest. All that it names must be there. If it
    /// has a `subject` and the registry keeps no list of referrers, the tag that stands in for it is brought up to date;
    /// of two who do that at once, one may be lost, as the specification has it.
    ///
    /// # Errors
    /// By kind.
    pub async fn push_manifest(&self, to: &Reference, media_type: &str, bytes: &[u8]) -> Result<(), Error> {
        let headers = self.put_manifest(to, media_type, bytes).await?;
        let document: Option<Document> = serde_json::from_slice(bytes).ok();
        match document {
            Some(document) if document.subject.is_some() && !headers.contains_key(SUBJECT_HEADER) => {
                self.add_to_tag(to, media_type, bytes, document).await
            }
            _ => Ok(()),
        }
    }

    /// What refers to a manifest of the name's repository, in the registry's order.
    ///
    /// # Errors
    /// By kind; a registry that knows no referrers gives an empty list.
    pub async fn referrers(&self, of: &Reference, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let site = self.site(of.registry()).await?;
        let url = site.url(of.repository(), &format!("referrers/{subject}"));
        let mut call = Call::new(Method::GET, url, &format!("referrers of `{subject}`"));
        call.headers.insert(ACCEPT, HeaderValue::from_static(INDEX));
        let listed = self.find(&site, &pull_scope(of.repository()), &call).await?;
        let index = match listed {
            Some(response) => {
                let body = Body::new(response, &self.shared.transport.timing, &call.what, &site.host);
                Some(index(&body.read(MAX_MANIFEST_BYTES).await?, &call.what, &site)?)
            }
            None => self.tagged_index(of, subject, &site).await?,
        };
        Ok(index.map(|index| index.manifests().clone()).unwrap_or_default())
    }

    async fn tagged_index(
        &self,
        of: &Reference,
        subject: &Digest,
        site: &Site,
    ) -> Result<Option<ImageIndex>, Error> {
        match self.manifest(&tag_of(of, subject, site)?).await {
            Ok(Fetched { bytes, .. }) => index(&bytes, &format!("referrers of `{subject}`"), site).map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn add_to_tag(
        &self,
        to: &Reference,
        media_type: &str,
        bytes: &[u8],
        document: Document,
    ) -> Result<(), Error> {
        let site = self.site(to.registry()).await?;
        let against = |detail: String| Error::Protocol {
            what: format!("referrer `{to}`"),
            host: site.host.clone(),
            detail,
        };
        let Some(subject) = &document.subject else { return Ok(()) };
        let subject = Digest::promised(subject).map_err(|error| against(error.to_string()))?;
        let own = descriptor(media_type, bytes, &document).map_err(|error| against(error.to_string()))?;
        let mut listed =
            self.tagged_index(to, &subject, &site).await?.map(|i| i.manifests().clone()).unwrap_or_default();
        if listed.iter().any(|other| other.digest() == own.digest()) {
            return Ok(());
        }
        listed.push(own);
        let index = ImageIndexBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageIndex)
            .manifests(listed);
        let index = index.build().map_err(|error| against(error.to_string()))?;
        let text = serde_json::to_vec(&index).map_err(|error| against(error.to_string()))?;
        self.put_manifest(&tag_of(to, &subject, &site)?, INDEX, &text).await.map(drop)
    }
}

fn index(bytes: &[u8], what: &str, site: &Site) -> Result<ImageIndex, Error> {
    let protocol = |_| Error::Protocol {
        what: what.to_owned(),
        host: site.host.clone(),
        detail: "it sends no index".to_owned(),
    };
    serde_json::from_slice(bytes).map_err(protocol)
}

/// How the list names a manifest: with its artifact type, else its config's, and its annotations.
fn descriptor(
    media_type: &str,
    bytes: &[u8],
    document: &Document,
) -> Result<Descriptor, oci_spec::OciSpecError> {
    let digest: oci_spec::image::Digest = Digest::of(bytes).to_string().parse()?;
    let mut own = Descriptor::new(MediaType::from(media_type), bytes.len() as u64, digest);
    let config = document.config.as_ref().map(|config| config.media_type().to_string());
    own.set_artifact_type(
        document.artifact_type.clone().or(config).map(|kind| MediaType::from(kind.as_str())),
    );
    own.set_annotations(document.annotations.clone());
    Ok(own)
}

/// The tag that stands in for the list: the digest, with `-` for `:`, cut to what a tag may be.
fn tag_of(of: &Reference, subject: &Digest, site: &Site) -> Result<Reference, Error> {
    let tag = format!("{}-{}", subject.algorithm().name(), subject.hex().get(..64).unwrap_or(subject.hex()));
    let name = format!("{}:{tag}", of.name());
    let detail = || "the list of referrers has no name there".to_owned();
    name.parse().map_err(|_| Error::Protocol {
        what: name.clone(),
        host: site.host.clone(),
        detail: detail(),
    })
}
