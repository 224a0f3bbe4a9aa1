//! Files of the kernel, opened and closed again.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::outcome::Outcome;

/// Opens each path for writing, and writes nothing.
pub(crate) fn for_writing(paths: &[String]) -> Outcome {
    Outcome::any(paths.iter().map(|path| Outcome::of(path, fs::File::options().write(true).open(path))))
}

/// Looks for content in each path, be it a file or a folder.
pub(crate) fn for_reading(paths: &[String]) -> Outcome {
    Outcome::any(paths.iter().map(|path| read(Path::new(path))))
}

fn read(path: &Path) -> Outcome {
    let name = path.display();
    let content = match path.is_dir() {
        true => fs::read_dir(path).map(|folder| folder.count()),
        false => fs::File::open(path).and_then(|mut file| file.read(&mut [0; 64])),
    };
    match content {
        Ok(0) => Outcome::Refused(format!("{name}: empty")),
        Ok(_) => Outcome::Succeeded(format!("{name} has content")),
        Err(error) => Outcome::Refused(format!("{name}: {error}")),
    }
}
