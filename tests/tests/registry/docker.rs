//! Against Debian's registry: everything that is pushed comes back.

use std::io::Cursor;

use sandlot_runtime::image::Digest;
use sandlot_server::registry::{Client, Error, Outgoing, Pushed, Settings, Trust};

use super::ground::{Certificates, DockerRegistry, MANIFEST, content, manifest, operator, read, settings};

fn outgoing<'a>(digest: &'a Digest, bytes: &[u8]) -> Outgoing<'a> {
    Outgoing { digest, size: bytes.len() as u64, mount_from: None }
}

async fn push(
    client: &Client,
    registry: &DockerRegistry,
    repository: &str,
    bytes: &[u8],
) -> Result<Pushed, Error> {
    let digest = Digest::of(bytes);
    let to = registry.name(repository);
    client.push_blob(&to, outgoing(&digest, bytes), &mut Cursor::new(bytes.to_vec()), &mut |_| ()).await
}

#[tokio::test]
async fn blobs_are_pushed_once_mounted_and_pulled_from_any_offset() {
    let registry = DockerRegistry::plain();
    let client = operator();
    let bytes = content(300_000);
    let digest = Digest::of(&bytes);
    assert_eq!(push(&client, &registry, "one/a", &bytes).await.unwrap(), Pushed::Uploaded);
    assert_eq!(push(&client, &registry, "one/a", &bytes).await.unwrap(), Pushed::Existed);
    let mounted = Outgoing { mount_from: Some("one/a"), ..outgoing(&digest, &bytes) };
    let to = registry.name("two/b");
    let pushed = client.push_blob(&to, mounted, &mut Cursor::new(Vec::new()), &mut |_| ()).await;
    assert_eq!(pushed.unwrap(), Pushed::Mounted);
    for offset in [0, 1, 65_536, 299_999, 300_000] {
        let rest = read(&client, &to, &digest, 300_000, offset).await.unwrap();
        assert!(rest == bytes[offset as usize..], "from {offset}");
    }
    assert!(!client.has_blob(&to, &Digest::of(b"other")).await.unwrap());
    let missing = read(&client, &to, &Digest::of(b"other"), 5, 0).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn a_long_blob_goes_in_pieces_and_says_how_far_it_is() {
    let registry = DockerRegistry::plain();
    let client = Client::new(Settings { piece_bytes: 1_000_000, ..settings() }, Trust::Operator).unwrap();
    let bytes = content(3_500_000);
    let digest = Digest::of(&bytes);
    let to = registry.name("long");
    let mut last = 0;
    let mut progress = |at| last = at;
    let pushed = client
        .push_blob(&to, outgoing(&digest, &bytes), &mut Cursor::new(bytes.clone()), &mut progress)
        .await;
    assert_eq!(pushed.unwrap(), Pushed::Uploaded);
    assert_eq!(last, 3_500_000);
    let mut copy = Vec::new();
    let mut blob = client.blob(&to, &digest, 3_500_000, 0).await.unwrap();
    blob.copy_to(&mut copy, &mut |at| last = at).await.unwrap();
    assert!(copy == bytes && last == 3_500_000);
}

#[tokio::test]
async fn an_empty_blob_and_a_wrong_digest_are_what_they_are() {
    let registry = DockerRegistry::plain();
    let client = operator();
    assert_eq!(push(&client, &registry, "empty", b"").await.unwrap(), Pushed::Uploaded);
    let wrong = Digest::of(b"wrong");
    let to = registry.name("empty");
    let refused = client
        .push_blob(&to, outgoing(&wrong, b"right"), &mut Cursor::new(b"right".to_vec()), &mut |_| ())
        .await;
    assert!(matches!(refused, Err(Error::Rejected { status: 400, .. })), "{refused:?}");
    let short =
        client.push_blob(&to, outgoing(&wrong, b"right"), &mut Cursor::new(b"r".to_vec()), &mut |_| ()).await;
    assert!(matches!(short, Err(Error::Content { .. })), "{short:?}");
}

#[tokio::test]
async fn manifests_tags_and_referrers_come_back() {
    let registry = DockerRegistry::plain();
    let client = operator();
    push(&client, &registry, "app", b"{}").await.unwrap();
    push(&client, &registry, "app", b"layer").await.unwrap();
    let image = manifest(b"{}", b"layer", None);
    for tag in ["app:1", "app:2"] {
        client.push_manifest(&registry.name(tag), MANIFEST, &image).await.unwrap();
    }
    let fetched = client.manifest(&registry.name("app:1")).await.unwrap();
    assert_eq!((&fetched.bytes, fetched.media_type.as_str()), (&image, MANIFEST));
    assert_eq!(fetched.digest, Digest::of(&image));
    let by_digest = registry.name("app").with_digest(fetched.digest.clone());
    assert_eq!(client.manifest(&by_digest).await.unwrap(), fetched);
    let found = client.find_manifest(&by_digest).await.unwrap().unwrap();
    assert_eq!((found.digest, found.size), (Some(fetched.digest.clone()), Some(image.len() as u64)));
    assert_eq!(client.find_manifest(&registry.name("app:3")).await.unwrap(), None);
    let mut tags = client.tags(&registry.name("app")).await.unwrap();
    tags.sort();
    assert_eq!(tags, ["1", "2"]);

    assert!(client.referrers(&by_digest, &fetched.digest).await.unwrap().is_empty());
    let subject =
        format!(r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":{}}}"#, fetched.digest, image.len());
    let signature = manifest(b"{}", b"layer", Some(&subject));
    let to = registry.name("app").with_digest(Digest::of(&signature));
    for _ in 0..2 {
        client.push_manifest(&to, MANIFEST, &signature).await.unwrap();
    }
    let referrers = client.referrers(&by_digest, &fetched.digest).await.unwrap();
    let digests: Vec<String> = referrers.iter().map(|referrer| referrer.digest().to_string()).collect();
    assert_eq!(digests, [Digest::of(&signature).to_string()]);
}

#[tokio::test]
async fn what_is_not_there_is_named_and_what_names_missing_blobs_is_refused() {
    let registry = DockerRegistry::plain();
    let client = operator();
    let missing = client.manifest(&registry.name("nobody/nothing:7")).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    assert!(missing.to_string().contains("nobody/nothing:7"), "{missing}");
    let refused =
        client.push_manifest(&registry.name("a:1"), MANIFEST, &manifest(b"{}", b"layer", None)).await;
    assert!(matches!(refused, Err(Error::NotFound { .. } | Error::Rejected { .. })), "{refused:?}");
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_settings_trust() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let http = format!(
        "  tls: {{certificate: {}, key: {}}}\n",
        certificates.certificate.display(),
        certificates.key.display()
    );
    let registry = DockerRegistry::start(folder, &http, "");
    let client = operator();
    let refused = push(&client, &registry, "a", b"x").await.unwrap_err();
    assert!(matches!(refused, Error::Tls { certificate: true, .. }), "{refused}");
    // Once more, by what is remembered of the first time.
    assert!(matches!(push(&client, &registry, "a", b"x").await, Err(Error::Tls { certificate: true, .. })));
    let trusting = Settings { authorities: vec![certificates.authority.clone()], ..settings() };
    let client = Client::new(trusting, Trust::Operator).unwrap();
    assert_eq!(push(&client, &registry, "a", b"x").await.unwrap(), Pushed::Uploaded);
    let bad = Settings { authorities: vec![certificates.key], ..settings() };
    assert!(matches!(Client::new(bad, Trust::Operator), Err(Error::Setting { .. })));
}
