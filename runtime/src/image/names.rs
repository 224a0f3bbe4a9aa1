//! The names of one scope: an OCI index whose annotations say what each manifest is called.
//!
//! An image that has lost its last name stays as an entry without one until it is pruned. Signatures and the like stay as
//! entries that say what they are about.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType};

use super::{Digest, Error, Reference, document};

/// The annotation that names an image in a layout (OCI image spec, "annotations").
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that says which manifest an entry belongs to.
const SUBJECT: &str = "dev.sandlot.subject";

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Its name, if it has one.
    pub(super) reference: Option<Reference>,
    /// The manifest or index, without our annotations.
    pub(super) target: Descriptor,
    /// The digest of it.
    pub(super) digest: Digest,
    /// The manifest that it is about.
    pub(super) subject: Option<Digest>,
}

/// All entries of a scope, those with a name in their order.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Vec<Entry>,
}

impl Names {
    /// Reads the names; an absent file holds none.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(Error::io("open", path.display().to_string()))?,
        };
        let what = "the names of a scope";
        let index: ImageIndex = document::parse(&document::read(file, what)?, what)?;
        let entries = index.manifests().iter().map(Entry::from_descriptor).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Replaces the names on disk at once.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |cause: &dyn std::fmt::Display| Error::document("the names of a scope", cause);
        let index = ImageIndexBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageIndex)
            .manifests(self.entries.iter().map(Entry::to_descriptor).collect::<Vec<_>>())
            .build()
            .map_err(|cause| failed(&cause))?;
        let text = serde_json::to_vec(&index).map_err(|cause| failed(&cause))?;
        document::replace(path, &text).map_err(Error::io("write", path.display().to_string()))
    }

    /// All entries.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a name. A name with a digest is found by its repository and digest.
    pub(super) fn find(&self, reference: &Reference) -> Option<&Entry> {
        let own = |entry: &&Entry| match (&entry.reference, reference.digest()) {
            (Some(name), Some(digest)) => name.is_beside(reference) && entry.digest == *digest,
            (Some(name), None) => name == reference,
            (None, _) => false,
        };
        self.entries.iter().find(own)
    }

    /// Lets a name stand for `target`, and no longer for what it stood for. `None` adds it without a name.
    pub(super) fn set(&mut self, reference: Option<&Reference>, target: &Descriptor) -> Result<(), Error> {
        let digest = Digest::promised(target)?;
        match reference {
            Some(reference) => {
                if self.entries.iter().any(|e| e.reference.as_ref() == Some(reference) && e.digest == digest)
                {
                    return Ok(());
                }
                self.take_name(reference);
                self.entries.retain(|entry| entry.reference.is_some() || entry.digest != digest);
            }
            None if self.has(&digest) => return Ok(()),
            None => {}
        }
        self.entries.push(Entry::new(reference.cloned(), target.clone(), digest, None));
        self.sort();
        Ok(())
    }

    /// Adds what is about `subject`.
    pub(super) fn set_about(&mut self, subject: &Digest, target: &Descriptor) -> Result<(), Error> {
        let digest = Digest::promised(target)?;
        if !self.has(&digest) {
            self.entries.push(Entry::new(None, target.clone(), digest, Some(subject.clone())));
            self.sort();
        }
        Ok(())
    }

    /// Forgets a name. An image that had only this one goes, with what is about it. Whether it went.
    pub(super) fn remove_name(&mut self, reference: &Reference) -> bool {
        let Some(at) = self.entries.iter().position(|entry| entry.reference.as_ref() == Some(reference))
        else {
            return false;
        };
        let gone = self.entries.remove(at).digest;
        let last = !self.has(&gone);
        if last {
            self.remove(&gone);
        }
        last
    }

    /// Forgets every entry of a manifest, and what is about it.
    pub(super) fn remove(&mut self, digest: &Digest) {
        let mut gone = vec![digest.clone()];
        while let Some(digest) = gone.pop() {
            let of = |entry: &mut Entry| entry.digest == digest || entry.subject.as_ref() == Some(&digest);
            let removed = self.entries.extract_if(.., of);
            gone.extend(removed.filter(|entry| entry.subject.is_some()).map(|entry| entry.digest));
        }
    }

    fn has(&self, digest: &Digest) -> bool {
        self.entries.iter().any(|entry| entry.digest == *digest)
    }

    /// What the name stood for stays, without a name if it has no other.
    fn take_name(&mut self, reference: &Reference) {
        let Some(at) = self.entries.iter().position(|entry| entry.reference.as_ref() == Some(reference))
        else {
            return;
        };
        let old = self.entries.remove(at);
        if !self.has(&old.digest) {
            self.entries.push(Entry { reference: None, ..old });
        }
    }

    fn sort(&mut self) {
        self.entries.sort_by(|a, b| (&a.reference, &a.digest).cmp(&(&b.reference, &b.digest)));
    }
}

impl Entry {
    fn new(
        reference: Option<Reference>,
        mut target: Descriptor,
        digest: Digest,
        subject: Option<Digest>,
    ) -> Self {
        let mut annotations = target.annotations().clone().unwrap_or_default();
        annotations.retain(|key, _| key != NAME && key != SUBJECT);
        target.set_annotations((!annotations.is_empty()).then_some(annotations));
        Self { reference, target, digest, subject }
    }

    fn from_descriptor(descriptor: &Descriptor) -> Result<Self, Error> {
        let note = |key| descriptor.annotations().as_ref()?.get(key);
        let reference = note(NAME).map(|name| Reference::from_str(name)).transpose()?;
        let subject = note(SUBJECT).map(|digest| digest.parse()).transpose()?;
        Ok(Self::new(reference, descriptor.clone(), Digest::promised(descriptor)?, subject))
    }

    fn to_descriptor(&self) -> Descriptor {
        let mut descriptor = self.target.clone();
        let mut annotations: HashMap<String, String> = descriptor.annotations().clone().unwrap_or_default();
        annotations.extend(self.reference.as_ref().map(|name| (NAME.to_owned(), name.canonical())));
        annotations.extend(self.subject.as_ref().map(|digest| (SUBJECT.to_owned(), digest.to_string())));
        descriptor.set_annotations((!annotations.is_empty()).then_some(annotations));
        descriptor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(content: &[u8]) -> Descriptor {
        let digest = Digest::of(content).to_spec().unwrap();
        Descriptor::new(MediaType::ImageManifest, content.len() as u64, digest)
    }

    fn read(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn shown(names: &Names) -> Vec<String> {
        let name = |entry: &Entry| entry.reference.as_ref().map_or("<none>".to_owned(), ToString::to_string);
        names.entries().iter().map(name).collect()
    }

    #[test]
    fn a_name_that_moves_leaves_its_image_without_one() {
        let mut names = Names::default();
        names.set(Some(&read("a")), &target(b"1")).unwrap();
        names.set(Some(&read("b")), &target(b"1")).unwrap();
        names.set(Some(&read("a")), &target(b"2")).unwrap();
        assert_eq!(shown(&names), ["a:latest", "b:latest"]);
        names.set(Some(&read("b")), &target(b"2")).unwrap();
        assert_eq!(shown(&names), ["<none>", "a:latest", "b:latest"]);
        names.set(Some(&read("c")), &target(b"1")).unwrap();
        assert_eq!(shown(&names), ["a:latest", "b:latest", "c:latest"]);
    }

    #[test]
    fn what_is_about_an_image_goes_with_its_last_name() {
        let mut names = Names::default();
        names.set(Some(&read("a")), &target(b"1")).unwrap();
        names.set(Some(&read("b")), &target(b"1")).unwrap();
        names.set_about(&Digest::of(b"1"), &target(b"signature")).unwrap();
        names.set_about(&Digest::of(b"signature"), &target(b"signature of it")).unwrap();
        assert!(!names.remove_name(&read("a")));
        assert_eq!(names.entries().len(), 3);
        assert!(names.remove_name(&read("b")));
        assert!(names.entries().is_empty());
        assert!(!names.remove_name(&read("b")));
    }

    #[test]
    fn names_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.json");
        let mut names = Names::read(&path).unwrap();
        names.set(Some(&read("a")), &target(b"1")).unwrap();
        names.set(None, &target(b"2")).unwrap();
        names.set_about(&Digest::of(b"1"), &target(b"3")).unwrap();
        names.write(&path).unwrap();
        assert_eq!(Names::read(&path).unwrap().entries(), names.entries());
    }

    #[test]
    fn a_name_with_a_digest_is_found_in_its_repository() {
        let mut names = Names::default();
        names.set(Some(&read("a:1")), &target(b"1")).unwrap();
        let by_digest = |name: &str| names.find(&read(name).with_digest(Digest::of(b"1"))).is_some();
        assert!(by_digest("a") && !by_digest("b"));
        assert!(names.find(&read("a:2")).is_none());
    }
}
