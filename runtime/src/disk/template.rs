//! Empty ext4 file systems, made once for each size and copied by their few pieces of data.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::{Error, room};

/// Smallest that ext4 makes sense in.
const LEAST_BYTES: u64 = 4 << 20;
const BLOCK_BYTES: u64 = 4096;

/// Opens the template of a size, and makes it first where there is none.
pub(super) fn open(node: &Path, bytes: u64) -> Result<File, Error> {
    let bytes = bytes.max(LEAST_BYTES).next_multiple_of(BLOCK_BYTES);
    let folder = node.join("templates");
    let path = folder.join(format!("{bytes}.ext4"));
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(Error::io("open", path.display())),
    }
    fs::create_dir_all(&folder).map_err(Error::io("create", folder.display()))?;
    make(&path, bytes)?;
    File::open(&path).map_err(Error::io("open", path.display()))
}

/// Under another name first: several workers may want the same one.
fn make(path: &Path, bytes: u64) -> Result<(), Error> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let made = make_as(&new, bytes);
    match made {
        Ok(()) => fs::rename(&new, path).map_err(Error::io("rename", path.display())),
        Err(error) => {
            fs::remove_file(&new).ok();
            Err(error)
        }
    }
}

/// No journal: after a crash of the node no session goes on. No blocks are reserved, and nothing that is zero anyway
/// is written.
fn make_as(path: &PathBuf, bytes: u64) -> Result<(), Error> {
    let file = new_file(path)?;
    file.set_len(bytes).map_err(Error::io("size", path.display()))?;
    let output = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0"])
        .args(["-O", "^has_journal,^resize_inode,sparse_super2", "-G", "128"])
        .args(["-E", "nodiscard,lazy_itable_init=1,num_backup_sb=0"])
        .args(["-N", &room::inodes(bytes).to_string()])
        .arg(path)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Error::Template(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) => Err(Error::Template(format!("run `mke2fs`: {error}"))),
    }
}

/// Copies a template into a new file at `path`: what is a hole stays one.
pub(super) fn copy(template: &File, path: &Path) -> Result<(), Error> {
    let file = new_file(path)?;
    let copied = template.metadata().and_then(|metadata| {
        file.set_len(metadata.len())?;
        copy_data(template, &file)
    });
    copied.map_err(Error::io("write", path.display()))
}

fn copy_data(from: &File, to: &File) -> io::Result<()> {
    let mut at = 0;
    while let Some(start) = seek(from, at, Whence::SeekData)? {
        let end = seek(from, start, Whence::SeekHole)?.unwrap_or(start);
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let mut piece = vec![0; length];
        from.read_exact_at(&mut piece, start.unsigned_abs())?;
        to.write_all_at(&piece, start.unsigned_abs())?;
        at = end;
    }
    Ok(())
}

/// `None` behind the last piece of data.
fn seek(file: &File, from: i64, whence: Whence) -> io::Result<Option<i64>> {
    match lseek(file, from, whence) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn new_file(path: &Path) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("create", path.display()))
}
