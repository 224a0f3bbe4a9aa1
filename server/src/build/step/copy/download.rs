//! What URLs of ADD give.

use std::fs::File;
use std::io;

use sandlot_runtime::image::{Algorithm, Digest, Hasher};

use crate::build::error::{Error, Result};
use crate::build::stage::StageRun;

/// Something that was fetched: name, content, digest, time.
pub(super) struct Fetched {
    pub(super) name: String,
    pub(super) content: File,
    pub(super) digest: Digest,
    pub(super) changed: u64,
}

/// Fetches all, and checks the one digest that is given.
pub(super) fn all(
    stage: &StageRun<'_>,
    urls: &[String],
    checksum: Option<&str>,
    line: usize,
) -> Result<Vec<Fetched>> {
    let wanted = checksum
        .map(|text| stage.expand(text, line)?.parse::<Digest>().map_err(|e| Error::at(line, e.to_string())));
    let wanted = wanted.transpose()?;
    let fetch = |url: &String| {
        if url.trim_end_matches('/').ends_with(".git") || url.contains(".git#") {
            return Err(Error::at(
                line,
                format!("ADD {url}: git repositories are not supported; clone it in a RUN step"),
            ));
        }
        let got = (stage.shared.build.download)(url)
            .map_err(|cause| Error::at(line, format!("ADD {url}: {cause}")))?;
        let algorithm = wanted.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = digest_of(&got.content, algorithm).map_err(Error::io("read what a URL gave"))?;
        if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != digest) {
            return Err(Error::at(line, format!("ADD {url}: its digest is {digest}, not {wanted}")));
        }
        let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let name = path.splitn(4, '/').nth(3).and_then(|rest| rest.rsplit('/').next()).unwrap_or_default();
        Ok(Fetched { name: name.to_owned(), content: got.content, digest, changed: got.changed.unwrap_or(0) })
    };
    urls.iter().map(fetch).collect()
}

fn digest_of(file: &File, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut at = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match std::os::unix::fs::FileExt::read_at(file, &mut buffer, at)? {
            0 => return Ok(hasher.finish()),
            length => {
                hasher.update(buffer.get(..length).unwrap_or_default());
                at += length as u64;
            }
        }
    }
}
