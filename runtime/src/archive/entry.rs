//! Making one entry of a tar, by its kind. Everything is done relative to the open folder that it goes to.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstatat, futimens, mkdirat, mknodat, utimensat,
};
use nix::unistd::{Gid, LinkatFlags, Uid, fchown, fchownat, linkat, symlinkat};
use tar::EntryType;

use super::attributes;
use super::extract::{Extraction, Policy};
use super::name::{inside, or_here};
use super::reader::{Content, Member, Reader};
use super::status::Status;
use super::whiteout;
use crate::tree;

/// Bits that take effect only once the owner is right, since the kernel takes them away when it changes.
const SET_IDS: Mode = Mode::S_ISUID.union(Mode::S_ISGID).union(Mode::S_ISVTX);

impl Extraction<'_> {
    pub(super) fn make<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        member: &Member,
        path: &Path,
        status: &Status<'_>,
    ) -> io::Result<()> {
        match member.kind {
            EntryType::Directory => self.make_folder(path, status),
            EntryType::Regular => self.make_file(reader.content(), path, status),
            EntryType::Symlink => {
                let target = link_target(member)?;
                self.place(path, |folder, name| symlinkat(target.as_os_str(), folder, name))?;
                self.finish_unopened(path, status)
            }
            EntryType::Link => self.make_hard_link(member, path),
            EntryType::Fifo => {
                let mode = status.mode;
                self.place(path, |folder, name| mknodat(folder, name, SFlag::S_IFIFO, mode, 0))?;
                self.finish_unopened(path, status)
            }
            // Nothing here is mounted with devices.
            EntryType::Char | EntryType::Block => Ok(()),
            other => {
                Err(io::Error::other(format!("its type {:?} is not supported", other.as_byte() as char)))
            }
        }
    }

    /// Makes something under a new name; what has the name already gives way.
    fn place<T>(
        &mut self,
        path: &Path,
        make: impl Fn(BorrowedFd<'_>, &OsStr) -> nix::Result<T>,
    ) -> io::Result<T> {
        let name = path.file_name().ok_or_else(|| io::Error::other("it stands in the place of the root"))?;
        match make(self.parent(path)?, name) {
            Err(Errno::EEXIST) => {}
            other => return Ok(other?),
        }
        self.clear(path, name)?;
        Ok(make(self.parent(path)?, name)?)
    }

    fn clear(&mut self, path: &Path, name: &OsStr) -> io::Result<()> {
        let keeps = matches!(self.policy, Policy::Files { no_overwrite_dir_non_dir: true, .. });
        let folder = self.parent(path)?;
        if keeps && is_folder(&fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?) {
            return Err(io::Error::other("a folder is not replaced by something else"));
        }
        tree::remove(folder, name)?;
        self.places.forget();
        Ok(())
    }

    fn make_folder(&mut self, path: &Path, status: &Status<'_>) -> io::Result<()> {
        if let Some(name) = path.file_name() {
            self.make_or_keep_folder(path, name)?;
        }
        let (above, name) = (path.parent().unwrap_or(Path::new("")), path.file_name());
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let name = name.unwrap_or(OsStr::new("."));
        let folder = openat(self.places.folder(above)?, name, flags, Mode::empty())?;
        fchown(&folder, Some(Uid::from_raw(status.uid)), Some(Gid::from_raw(status.gid)))?;
        fchmod(&folder, status.mode)?;
        set_attributes(status, folder.as_fd())?;
        self.folders.push((path.to_owned(), status.time));
        Ok(())
    }

    fn make_or_keep_folder(&mut self, path: &Path, name: &OsStr) -> io::Result<()> {
        let mode = Mode::S_IRWXU;
        match mkdirat(self.parent(path)?, name, mode) {
            Err(Errno::EEXIST) => {}
            other => return Ok(other?),
        }
        let there = fstatat(self.parent(path)?, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if is_folder(&there) {
            return Ok(());
        }
        if matches!(self.policy, Policy::Files { no_overwrite_dir_non_dir: true, .. }) {
            return Err(io::Error::other("what is there is not replaced by a folder"));
        }
        if self.policy == Policy::Layer && whiteout::is_made(&there) {
            // Gone and made anew: nothing of the lower one may show.
            self.places.set_opaque(path);
        }
        self.clear(path, name)?;
        Ok(mkdirat(self.parent(path)?, name, mode)?)
    }

    fn make_file<R: Read>(
        &mut self,
        content: Content<'_, R>,
        path: &Path,
        status: &Status<'_>,
    ) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = status.mode.difference(SET_IDS);
        let mut file = File::from(self.place(path, |folder, name| openat(folder, name, flags, mode))?);
        self.fill(content, &mut file)?;
        let gives_group = self.places.folder(path.parent().unwrap_or(Path::new("")))?.gives_group;
        if status.uid != 0 || status.gid != 0 || gives_group {
            fchown(&file, Some(Uid::from_raw(status.uid)), Some(Gid::from_raw(status.gid)))?;
        }
        if status.mode.intersects(SET_IDS) {
            fchmod(&file, status.mode)?;
        }
        set_attributes(status, file.as_fd())?;
        Ok(futimens(&file, &status.time, &status.time)?)
    }

    /// Copies the content, and leaves its holes out.
    fn fill<R: Read>(&mut self, mut content: Content<'_, R>, file: &mut File) -> io::Result<()> {
        let mut end = 0;
        loop {
            let hole = content.pass_hole();
            if hole > 0 {
                self.room.bytes(self.places.root(), hole)?;
                end = file.seek(SeekFrom::Current(i64::try_from(hole).map_err(io::Error::other)?))?;
            }
            let read = content.read(&mut self.buffer)?;
            let Some(bytes) = self.buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            self.room.bytes(self.places.root(), read as u64)?;
            file.write_all(bytes)?;
            end = 0;
        }
        if end > 0 { file.set_len(end) } else { Ok(()) }
    }

    fn make_hard_link(&mut self, member: &Member, path: &Path) -> io::Result<()> {
        let target = member.target().and_then(inside);
        let target = target.ok_or_else(|| io::Error::other("its link leads out of the archive"))?;
        let Some(target_name) = target.file_name().filter(|_| target != path) else { return Ok(()) };
        let of_target = self.places.find(target.parent().unwrap_or(Path::new("")))?;
        let there = fstatat(&of_target, target_name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if self.policy == Policy::Layer && whiteout::is_made(&there) {
            return Err(io::Error::other("its link leads to a file that is gone"));
        }
        self.place(path, |folder, name| linkat(&of_target, target_name, folder, name, LinkatFlags::empty()))
    }

    /// Owner and time of what cannot be opened without consequences.
    fn finish_unopened(&mut self, path: &Path, status: &Status<'_>) -> io::Result<()> {
        let name = or_here(path).file_name().unwrap_or_default();
        let folder = self.parent(path)?;
        let (uid, gid) = (Uid::from_raw(status.uid), Gid::from_raw(status.gid));
        fchownat(folder, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok(utimensat(folder, name, &status.time, &status.time, UtimensatFlags::NoFollowSymlink)?)
    }
}

fn is_folder(status: &FileStat) -> bool {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

fn link_target(member: &Member) -> io::Result<OsString> {
    let name = member.target().ok_or_else(|| io::Error::other("its link leads nowhere"))?;
    Ok(OsStr::from_bytes(name).to_owned())
}

fn set_attributes(status: &Status<'_>, file: BorrowedFd<'_>) -> io::Result<()> {
    status.attributes.iter().try_for_each(|(name, value)| attributes::set(file, name, value))
}
