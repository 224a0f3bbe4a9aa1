//! The root file system of an image as one tar: its layers laid over each other, without unpacking them.
//!
//! ```text
//! 1  from the highest layer down: which layer each path comes from  (export::view)
//! 2  from the lowest up: the entries that are seen, as they stand    (export::writer)
//! ```
//!
//! A hard link whose file is hidden by a higher layer becomes the file itself.

mod view;
mod writer;

use std::io::{Read, Write};

use self::view::View;
use self::writer::Writer;
use super::{Error, Image, Layer, Store, Tar};
use crate::archive::name::inside;
use crate::archive::reader::Reader;

impl Store {
    /// Writes everything that a container of the image would see at its start.
    ///
    /// # Errors
    /// When a layer is missing or no tar, or `out` cannot be written.
    pub fn export(&self, image: &Image, out: &mut dyn Write) -> Result<(), Error> {
        let mut view = View::default();
        for (number, layer) in image.layers.iter().enumerate().rev() {
            let failed = Error::io("read", layer.blob.to_string());
            view.add(number, &mut Reader::new(self.stream(layer)?)).map_err(failed)?;
        }
        let mut writer = Writer::new(out, &view);
        for (number, layer) in image.layers.iter().enumerate() {
            let failed = Error::io("export", layer.blob.to_string());
            writer.layer(number, &mut Reader::new(self.stream(layer)?)).map_err(failed)?;
        }
        writer.finish().map_err(Error::io("write", "the root file system"))
    }

    fn stream(&self, layer: &Layer) -> Result<Box<dyn Read + Send>, Error> {
        Ok(match self.layer_tar(layer)? {
            Tar::File(file) => {
                Box::new(std::io::BufReader::with_capacity(super::compression::BUFFER_BYTES, file))
            }
            Tar::Stream(stream) => stream,
        })
    }
}

/// The path of an entry as bytes without `.`, `..` and empty parts; `None` for one that leads out.
fn plain(name: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    inside(name).map(|path| path.into_os_string().into_vec())
}
