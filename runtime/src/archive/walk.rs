//! A tree written as a tar, in the order of the names: the same tree gives the same bytes.
//!
//! The tree may change meanwhile: what has gone is left out, and a file is as long as it was when its turn came. Nothing
//! but folders and regular files is ever opened.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, minor};
use tar::EntryType;

use super::header::{self, Item, Time};
use super::made::Made;
use super::stream::Output;
use super::{attributes, whiteout};

/// Longest path in an archive, as for the kernel.
const MAX_PATH_BYTES: usize = 4095;
const BUFFER_BYTES: usize = 256 * 1024;
const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// A pipe or device that has taken a file's place neither blocks nor becomes this process's terminal.
const FILE: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// What holds for overlay's upper folder.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    /// What is left out.
    pub(super) made: &'a Made,
    /// Whether nothing of lower layers shows in a folder.
    pub(super) is_opaque: &'a dyn Fn(BorrowedFd<'_>) -> io::Result<bool>,
    /// Later times become this one.
    pub(super) clamp: Option<i64>,
}

/// A folder on the way.
struct Frame {
    folder: Rc<OwnedFd>,
    /// With a `/` behind it; empty for the top of a layer.
    path: Vec<u8>,
    /// Still to come, in order.
    names: std::vec::IntoIter<CString>,
    /// Written once something in it is.
    pending: Option<Item>,
}

/// See the module.
pub(super) struct Walk<'a> {
    out: BufWriter<Output>,
    layer: Option<Layer<'a>>,
    frames: Vec<Frame>,
    /// Files of several names, by device and number.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// The file system that is not left.
    device: Option<u64>,
    buffer: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Nothing is written yet.
    pub(super) fn new(out: Output, layer: Option<Layer<'a>>) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, out),
            layer,
            frames: Vec::new(),
            links: HashMap::new(),
            device: None,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Writes what has this name in a folder, and all below it, under the name `top`.
    pub(super) fn from(&mut self, folder: &OwnedFd, name: &Path, top: Vec<u8>) -> io::Result<()> {
        let name = CString::new(name.as_os_str().as_bytes())?;
        self.entry(folder.as_fd(), &name, top)?;
        self.go_on()
    }

    /// Writes all below a folder, without the folder.
    pub(super) fn below(&mut self, folder: OwnedFd) -> io::Result<()> {
        self.descend(folder, Vec::new(), None)?;
        self.go_on()
    }

    /// Writes the end of the archive.
    pub(super) fn end(mut self) -> io::Result<()> {
        header::end(&mut self.out)?;
        self.out.flush()
    }

    fn go_on(&mut self) -> io::Result<()> {
        while let Some(frame) = self.frames.last_mut() {
            let Some(name) = frame.names.next() else {
                self.frames.pop();
                continue;
            };
            let path = [frame.path.as_slice(), name.to_bytes()].concat();
            let folder = Rc::clone(&frame.folder);
            self.entry(folder.as_fd(), &name, path)?;
        }
        Ok(())
    }

    fn entry(&mut self, folder: BorrowedFd<'_>, name: &CStr, path: Vec<u8>) -> io::Result<()> {
        let status = match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(()),
            other => other?,
        };
        check(&path, self.layer.is_some(), name)?;
        if self.layer.is_some() && whiteout::is_made(&status) {
            let above = path.len() - name.to_bytes().len();
            let marker =
                [path.get(..above).unwrap_or_default(), &whiteout::entry_name(name.to_bytes())].concat();
            return self.emit(&Item::marker(marker));
        }
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        let is_folder = kind == SFlag::S_IFDIR;
        let is_made = self.layer.is_some_and(|layer| layer.made.has(&path, is_folder, folder, name));
        match kind {
            SFlag::S_IFDIR => self.folder(folder, name, path, &status, is_made),
            _ if is_made => Ok(()),
            SFlag::S_IFREG => self.file(folder, name, path, &status),
            SFlag::S_IFLNK => match readlinkat(folder, name) {
                Err(Errno::ENOENT | Errno::EINVAL) => Ok(()),
                target => {
                    let link = Some(target?.as_bytes().to_vec());
                    self.plain(Item { link, ..self.item(path, EntryType::Symlink, &status) }, &status)
                }
            },
            SFlag::S_IFIFO => self.plain(self.item(path, EntryType::Fifo, &status), &status),
            SFlag::S_IFCHR => self.plain(self.item(path, EntryType::Char, &status), &status),
            SFlag::S_IFBLK => self.plain(self.item(path, EntryType::Block, &status), &status),
            // A socket means nothing without who listens.
            _ => Ok(()),
        }
    }

    fn folder(
        &mut self,
        above: BorrowedFd<'_>,
        name: &CStr,
        mut path: Vec<u8>,
        status: &FileStat,
        is_made: bool,
    ) -> io::Result<()> {
        let folder = match openat(above, name, FOLDER, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(()),
            other => other?,
        };
        path.push(b'/');
        let mut item = self.item(path.clone(), EntryType::Directory, status);
        item.attributes = attributes::read(folder.as_fd())?;
        if is_made {
            return self.descend(folder, path, Some(item));
        }
        self.emit(&item)?;
        let is_opaque = match self.layer {
            Some(layer) => (layer.is_opaque)(folder.as_fd())?,
            None => false,
        };
        if is_opaque {
            self.emit(&Item::marker([path.as_slice(), whiteout::OPAQUE].concat()))?;
        }
        self.descend(folder, path, None)
    }

    /// Other file systems, such as `/proc`, are empty folders in an archive.
    fn descend(&mut self, folder: OwnedFd, path: Vec<u8>, pending: Option<Item>) -> io::Result<()> {
        let device = fstat(&folder)?.st_dev;
        let names = match *self.device.get_or_insert(device) == device {
            true => sorted_names(&folder)?,
            false => Vec::new(),
        };
        let folder = Rc::new(folder);
        self.frames.push(Frame { folder, path, names: names.into_iter(), pending });
        Ok(())
    }

    fn file(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        path: Vec<u8>,
        status: &FileStat,
    ) -> io::Result<()> {
        if let Some(link) = self.known_link(status) {
            let item = Item { link: Some(link), ..self.item(path, EntryType::Link, status) };
            return self.emit(&item);
        }
        let file = match openat(folder, name, FILE, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENXIO) => return Ok(()),
            other => File::from(other?),
        };
        let status = fstat(&file)?;
        if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Ok(());
        }
        let mut item = self.item(path, EntryType::Regular, &status);
        item.size = u64::try_from(status.st_size).unwrap_or(0);
        item.attributes = attributes::read(file.as_fd())?;
        self.emit(&item)?;
        self.content(file, item.size)?;
        self.remember(&item, &status);
        Ok(())
    }

    /// As long as the header says, whatever becomes of the file.
    fn content(&mut self, file: File, length: u64) -> io::Result<()> {
        let mut file = file.take(length);
        let mut left = length;
        while left > 0 {
            let read = match file.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            // It was cut meanwhile.
            let rest = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = if read == 0 { rest } else { read };
            let Some(bytes) = self.buffer.get_mut(..count) else { break };
            if read == 0 {
                bytes.fill(0);
            }
            self.out.write_all(bytes)?;
            left -= count as u64;
        }
        header::pad(&mut self.out, length)
    }

    /// Something without content.
    fn plain(&mut self, item: Item, status: &FileStat) -> io::Result<()> {
        match self.known_link(status) {
            Some(link) => self.emit(&Item { link: Some(link), kind: EntryType::Link, device: None, ..item }),
            None => {
                self.remember(&item, status);
                self.emit(&item)
            }
        }
    }

    fn known_link(&self, status: &FileStat) -> Option<Vec<u8>> {
        let several = status.st_nlink > 1;
        several.then(|| self.links.get(&(status.st_dev, status.st_ino)).cloned()).flatten()
    }

    fn remember(&mut self, item: &Item, status: &FileStat) {
        if status.st_nlink > 1 {
            self.links.insert((status.st_dev, status.st_ino), item.path.clone());
        }
    }

    /// Writes a header, after those of folders above that nothing was in until now.
    fn emit(&mut self, item: &Item) -> io::Result<()> {
        for frame in &mut self.frames {
            if let Some(pending) = frame.pending.take() {
                pending.write(&mut self.out)?;
            }
        }
        item.write(&mut self.out)
    }

    fn item(&self, path: Vec<u8>, kind: EntryType, status: &FileStat) -> Item {
        let is_device = matches!(kind, EntryType::Char | EntryType::Block);
        let number = |part: fn(u64) -> u64| u32::try_from(part(status.st_rdev)).unwrap_or(0);
        Item {
            path,
            kind,
            link: None,
            mode: status.st_mode & 0o7777,
            uid: status.st_uid,
            gid: status.st_gid,
            size: 0,
            mtime: self.time(status),
            device: is_device.then(|| (number(major), number(minor))),
            attributes: Vec::new(),
        }
    }

    fn time(&self, status: &FileStat) -> Time {
        let time = (status.st_mtime, u32::try_from(status.st_mtime_nsec).unwrap_or(0));
        let clamp = self.layer.and_then(|layer| layer.clamp);
        clamp.map_or(time, |clamp| time.min((clamp, 0)))
    }
}

fn check(path: &[u8], is_layer: bool, name: &CStr) -> io::Result<()> {
    let shown = || String::from_utf8_lossy(path).chars().take(200).collect::<String>();
    if path.len() > MAX_PATH_BYTES {
        return Err(io::Error::other(format!(
            "`{}...`: a path of more than {MAX_PATH_BYTES} bytes cannot be in an archive",
            shown()
        )));
    }
    if is_layer && name.to_bytes().starts_with(whiteout::PREFIX) {
        return Err(io::Error::other(format!(
            "`{}`: a name that begins with `.wh.` cannot be in a layer, where it would mean that a file is gone",
            shown()
        )));
    }
    Ok(())
}

fn sorted_names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut listing = Dir::from_fd(openat(folder, ".", FOLDER, Mode::empty())?)?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
