//! The tar of a root file system: it becomes an image of one layer.

use std::fs::File;
use std::io::Read;

use oci_spec::image::{
    Arch, ConfigBuilder, HistoryBuilder, ImageConfiguration, ImageConfigurationBuilder, MediaType,
    RootFsBuilder,
};

use super::compression::uncompressed;
use super::{Blob, Error, Image, Platform, Reference, Scope, Store, assemble};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Store {
    /// Brings a root file system in, from a file's beginning or as far as a pipe gives; it may be compressed. Without a
    /// name it is found by its id.
    ///
    /// # Errors
    /// When it is no tar archive; nothing has changed then.
    pub fn import(&self, scope: &Scope, input: File, reference: Option<&Reference>) -> Result<Image, Error> {
        let lease = self.lease()?;
        let mut tar = uncompressed(input, "the root file system")?;
        let blob = lease.add(&mut Checked::new(&mut tar))?;
        let configuration = configuration(&blob)?;
        let layer = blob.describe(MediaType::ImageLayer)?;
        let target = assemble::image(&lease, &configuration, vec![layer])?;
        lease.commit(scope, &[(reference.cloned(), target.clone())])?;
        self.read_imported(reference, &target)
    }

    fn read_imported(
        &self,
        reference: Option<&Reference>,
        target: &oci_spec::image::Descriptor,
    ) -> Result<Image, Error> {
        let image = self.image_of(target, &Platform::host())?;
        Ok(Image { reference: reference.cloned(), ..image })
    }
}

fn configuration(layer: &Blob) -> Result<ImageConfiguration, Error> {
    let failed = |cause| Error::document("an image's configuration", cause);
    let root =
        RootFsBuilder::default().typ("layers".to_owned()).diff_ids(vec![layer.digest.to_string()]).build();
    let config = ConfigBuilder::default().env(vec![PATH.to_owned()]).cmd(vec!["/bin/sh".to_owned()]).build();
    let history = HistoryBuilder::default().comment("imported by sandlot").build().map_err(failed)?;
    ImageConfigurationBuilder::default()
        .architecture(Arch::from(Platform::host().architecture()))
        .os("linux")
        .config(config.map_err(failed)?)
        .rootfs(root.map_err(failed)?)
        .history(vec![history])
        .build()
        .map_err(failed)
}

/// A tar archive begins with a header that says so (POSIX ustar, and what came before it by its checksum).
struct Checked<'a> {
    from: &'a mut dyn Read,
    start: Vec<u8>,
    given: usize,
}

const HEADER_BYTES: u64 = 512;

impl<'a> Checked<'a> {
    fn new(from: &'a mut dyn Read) -> Self {
        Self { from, start: Vec::new(), given: 0 }
    }

    fn check(&mut self) -> std::io::Result<()> {
        (&mut self.from).take(HEADER_BYTES).read_to_end(&mut self.start)?;
        let mut header = tar::Header::new_old();
        let known = self.start.len() == header.as_bytes().len() && {
            header.as_mut_bytes().copy_from_slice(&self.start);
            let sum: u32 = self
                .start
                .iter()
                .enumerate()
                .map(|(at, byte)| match at {
                    148..156 => u32::from(b' '),
                    _ => u32::from(*byte),
                })
                .sum();
            header.cksum().is_ok_and(|found| found == sum)
        };
        if known {
            Ok(())
        } else {
            Err(std::io::Error::new(std::io::ErrorKind::InvalidData, Error::NoRootFilesystem))
        }
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.start.is_empty() {
            self.check()?;
        }
        let rest = self.start.get(self.given..).unwrap_or_default();
        if rest.is_empty() {
            return self.from.read(into);
        }
        let length = rest.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..length), rest.get(..length)) {
            into.copy_from_slice(from);
        }
        self.given += length;
        Ok(length)
    }
}
