//! Reading the tar and making its files, inside the new tree and without any privilege outside it.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, futimens, lstat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, fchown, fchownat, linkat, mkfifo};
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::child::Report;
use super::path::{inside, or_here};
use super::room::Room;
use super::whiteout::{self, Asks};
use crate::image::compression::copy;
use crate::image::digest::hex;
use crate::sys::xattr;
use crate::tree;

/// Attributes are in PAX records of this prefix.
const ATTRIBUTE: &str = "SCHILY.xattr.";

/// A tar on its way through the digest.
struct Counted {
    from: BufReader<File>,
    digest: Sha256,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(into)?;
        self.digest.update(into.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// What is under way.
#[derive(Default)]
struct Extraction {
    room: Room,
    opaque: Vec<Vec<u8>>,
    /// Folders with their time, which is set last: filling a folder changes it.
    folders: Vec<(PathBuf, TimeSpec)>,
    /// The folder that the last entry went to.
    parent: PathBuf,
}

/// Unpacks a tar into the working directory, which must be this process's root.
pub(super) fn extract(tar: File) -> io::Result<Report> {
    let counted = Counted { from: BufReader::with_capacity(256 * 1024, tar), digest: Sha256::new() };
    let mut archive = Archive::new(counted);
    let mut extraction = Extraction::default();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path_bytes().into_owned();
        extraction.one(&mut entry, &name).map_err(|error| named(&name, &error))?;
    }
    extraction.set_folder_times()?;
    let mut counted = archive.into_inner();
    copy(&mut counted, |_| Ok(()))?;
    Ok(Report { digest: hex(&counted.digest.finalize()), opaque: extraction.opaque })
}

fn named(name: &[u8], error: &io::Error) -> io::Error {
    let name: String = String::from_utf8_lossy(name).chars().take(200).collect();
    io::Error::new(error.kind(), format!("entry `{name}`: {error}"))
}

/// Owner, permissions and time of an entry.
struct Status {
    uid: Uid,
    gid: Gid,
    mode: Mode,
    time: TimeSpec,
}

impl Status {
    fn of<R: Read>(entry: &Entry<'_, R>) -> io::Result<Self> {
        let header = entry.header();
        let id = |number: u64| {
            let id = u32::try_from(number).ok().filter(|id| *id < 65_536);
            id.ok_or_else(|| io::Error::other(format!("its owner {number} is not below 65536")))
        };
        let seconds = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        Ok(Self {
            uid: Uid::from_raw(id(header.uid()?)?),
            gid: Gid::from_raw(id(header.gid()?)?),
            mode: Mode::from_bits_truncate(header.mode()? & 0o7777),
            time: TimeSpec::new(seconds, 0),
        })
    }

    /// The owner first: the kernel takes set-id bits away when it changes.
    fn apply(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        fchown(file, Some(self.uid), Some(self.gid))?;
        Ok(fchmod(file, self.mode)?)
    }
}

impl Extraction {
    fn one<R: Read>(&mut self, entry: &mut Entry<'_, R>, name: &[u8]) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        self.room.entry()?;
        let path =
            inside(name).ok_or_else(|| io::Error::other("its path leads out of the layer or is too long"))?;
        self.make_parent(&path)?;
        match whiteout::asks(&path) {
            Asks::Nothing => self.make(entry, kind, &path),
            Asks::Gone(gone) => Ok(whiteout::make(&path.with_file_name(gone))?),
            Asks::Opaque => {
                self.set_opaque(path.parent().unwrap_or(Path::new("")));
                Ok(())
            }
            Asks::Note => Ok(()),
        }
    }

    fn make<R: Read>(&mut self, entry: &mut Entry<'_, R>, kind: EntryType, path: &Path) -> io::Result<()> {
        let status = Status::of(entry)?;
        match kind {
            EntryType::Directory => self.make_folder(entry, path, status),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                clear(path)?;
                self.make_file(entry, path, &status)
            }
            EntryType::Symlink => {
                clear(path)?;
                symlink(link_target(entry)?, path)?;
                finish_unopened(path, &status)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().and_then(|name| inside(&name));
                let target = target.ok_or_else(|| io::Error::other("its link leads out of the layer"))?;
                make_hard_link(&target, path)
            }
            EntryType::Fifo => {
                clear(path)?;
                mkfifo(path, status.mode)?;
                finish_unopened(path, &status)
            }
            EntryType::Char | EntryType::Block => Ok(()),
            other => {
                Err(io::Error::other(format!("its type {:?} is not supported", other.as_byte() as char)))
            }
        }
    }

    fn make_folder<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        path: &Path,
        status: Status,
    ) -> io::Result<()> {
        if let Ok(there) = lstat(or_here(path)) {
            let is_folder = there.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits();
            if whiteout::is_made(&there) {
                // Gone and made anew: nothing of the lower one may show.
                self.set_opaque(path);
            }
            if !is_folder {
                clear(path)?;
            }
        }
        match fs::create_dir(or_here(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = open(or_here(path), flags, Mode::empty())?;
        status.apply(folder.as_fd())?;
        set_attributes(entry, folder.as_fd())?;
        self.folders.push((path.to_owned(), status.time));
        Ok(())
    }

    fn make_file<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        path: &Path,
        status: &Status,
    ) -> io::Result<()> {
        let nofollow = OFlag::O_NOFOLLOW.bits();
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(path)?;
        let room = &mut self.room;
        copy(entry, |bytes| {
            room.bytes(bytes.len() as u64)?;
            file.write_all(bytes)
        })?;
        status.apply(file.as_fd())?;
        set_attributes(entry, file.as_fd())?;
        Ok(futimens(&file, &status.time, &status.time)?)
    }

    /// Makes the folders above an entry that no entry made.
    fn make_parent(&mut self, path: &Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if parent.as_os_str().is_empty() || parent == self.parent {
            return Ok(());
        }
        let mut at = PathBuf::new();
        for part in parent.components() {
            at.push(part);
            self.make_step(&at)?;
        }
        self.parent = parent.to_owned();
        Ok(())
    }

    fn make_step(&mut self, path: &Path) -> io::Result<()> {
        if fs::metadata(path).is_ok_and(|there| there.is_dir()) {
            return Ok(());
        }
        if lstat(path).is_ok_and(|there| whiteout::is_made(&there)) {
            fs::remove_file(path)?;
            self.set_opaque(path);
        }
        fs::create_dir(path)?;
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
    }

    fn set_opaque(&mut self, path: &Path) {
        self.opaque.push(or_here(path).as_os_str().as_bytes().to_vec());
    }

    fn set_folder_times(&self) -> io::Result<()> {
        for (path, time) in self.folders.iter().rev() {
            match utimensat(AT_FDCWD, or_here(path), time, time, UtimensatFlags::NoFollowSymlink) {
                // A later entry took its place.
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// Removes what an earlier entry made under this name.
fn clear(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::other("it stands in the place of the layer's root"));
    }
    Ok(tree::remove(AT_FDCWD, path)?)
}

fn link_target<R: Read>(entry: &Entry<'_, R>) -> io::Result<std::ffi::OsString> {
    let name = entry.link_name_bytes().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| io::Error::other("its link leads nowhere"))?;
    Ok(std::ffi::OsStr::from_bytes(&name).to_owned())
}

fn make_hard_link(target: &Path, path: &Path) -> io::Result<()> {
    if target == path {
        return Ok(());
    }
    let there = lstat(or_here(target))?;
    if whiteout::is_made(&there) {
        return Err(io::Error::other("its link leads to a file that is gone"));
    }
    clear(path)?;
    Ok(linkat(AT_FDCWD, target, AT_FDCWD, path, LinkatFlags::empty())?)
}

/// Owner and time of what cannot be opened without consequences.
fn finish_unopened(path: &Path, status: &Status) -> io::Result<()> {
    fchownat(AT_FDCWD, path, Some(status.uid), Some(status.gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(utimensat(AT_FDCWD, path, &status.time, &status.time, UtimensatFlags::NoFollowSymlink)?)
}

/// Sets those attributes that mean something in a container. Overlay's own would let a layer redirect the view of the
/// others, and the rest belongs to the host.
fn set_attributes<R: Read>(entry: &mut Entry<'_, R>, file: BorrowedFd<'_>) -> io::Result<()> {
    let Some(records) = entry.pax_extensions()? else { return Ok(()) };
    for record in records {
        let record = record?;
        let Some(name) = record.key().ok().and_then(|key| key.strip_prefix(ATTRIBUTE)) else { continue };
        let wanted = name == "security.capability" || name.starts_with("user.");
        if !wanted || name.starts_with("user.overlay.") {
            continue;
        }
        let name =
            CString::new(name).map_err(|_| io::Error::other("an attribute's name holds a zero byte"))?;
        xattr::set(file, &name, record.value_bytes())?;
    }
    Ok(())
}
