//! The tar of a root file system: it becomes an image of one layer.

use std::fs::File;

use oci_spec::image::{
    Arch, ConfigBuilder, HistoryBuilder, ImageConfiguration, ImageConfigurationBuilder, MediaType,
    RootFsBuilder,
};

use super::tar_stream::open_tar;
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
        let mut tar = open_tar(input)?.ok_or(Error::NoRootFilesystem)?;
        let blob = lease.add(&mut tar)?;
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
