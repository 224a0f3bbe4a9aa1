//! The user `learner` in images that lack it: uid 1000, a home, a shell, and `sudo` without a password where the
//! image has sudo.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchownat, write};

use super::path;
use crate::failure::{Failure, during};

/// Its name.
pub const NAME: &str = "learner";
const ID: u32 = 1000;
/// Longest account file that is read.
const LIMIT: usize = 1024 * 1024;
const SUDO_RULE: &[u8] = b"learner ALL=(ALL:ALL) NOPASSWD: ALL\n";

/// Adds the user, with its group and home, unless the image has a user of that name.
///
/// # Errors
/// With the file and what the kernel said.
pub fn make(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let users = read(root, "/etc/passwd")?;
    if has_entry(&users, NAME) {
        return Ok(());
    }
    let etc = path::make_folder(root, Path::new("/etc")).map_err(during("open `/etc`"))?;
    add_group(etc.as_fd(), &read(root, "/etc/group")?)?;
    let shadow = read(root, "/etc/shadow")?;
    if !shadow.is_empty() && !has_entry(&shadow, NAME) {
        append(etc.as_fd(), "shadow", &shadow, &format!("{NAME}:*:19000:0:99999:7:::"))?;
    }
    allow_sudo(root)?;
    make_home(root)?;
    // Last: only this entry says that the rest is done.
    let user = format!("{NAME}:x:{ID}:{ID}::/home/{NAME}:{}", shell(root));
    append(etc.as_fd(), "passwd", &users, &user)
}

fn read(root: BorrowedFd<'_>, file: &str) -> Result<String, Failure> {
    match path::read_file(root, Path::new(file), LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(Errno::ENOENT) => Ok(String::new()),
        Err(errno) => Err(during(format!("read `{file}`"))(errno)),
    }
}

fn has_entry(file: &str, name: &str) -> bool {
    file.lines().any(|line| line.split(':').next() == Some(name))
}

fn shell(root: BorrowedFd<'_>) -> &'static str {
    let has_bash = path::open_path(root, Path::new("/bin/bash")).is_ok();
    if has_bash { "/bin/bash" } else { "/bin/sh" }
}

/// Adds a line to a file that stays the same one: its owner and mode matter.
fn append(etc: BorrowedFd<'_>, name: &str, current: &str, line: &str) -> Result<(), Failure> {
    let separator = if current.is_empty() || current.ends_with('\n') { "" } else { "\n" };
    let text = format!("{separator}{line}\n");
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let add = || {
        let file = nix::fcntl::openat(etc, name, flags, Mode::from_bits_truncate(0o644))?;
        write(&file, text.as_bytes())
    };
    add().map(drop).map_err(during(format!("add {NAME} to `/etc/{name}`")))
}

/// Its own group, and group sudo where there is one.
fn add_group(etc: BorrowedFd<'_>, groups: &str) -> Result<(), Failure> {
    let mut lines: Vec<String> = groups.lines().map(with_sudo_member).collect();
    if !has_entry(groups, NAME) {
        lines.push(format!("{NAME}:x:{ID}:"));
    }
    let content = lines.join("\n") + "\n";
    let written = path::write_file(etc, "group", content.as_bytes(), Mode::from_bits_truncate(0o644));
    written.map(drop).map_err(during("write `/etc/group`"))
}

fn with_sudo_member(line: &str) -> String {
    if line.rsplit([':', ',']).any(|member| member == NAME) {
        return line.to_owned();
    }
    match line.rsplit_once(':') {
        Some((_, "")) if line.starts_with("sudo:") => format!("{line}{NAME}"),
        Some(_) if line.starts_with("sudo:") => format!("{line},{NAME}"),
        _ => line.to_owned(),
    }
}

fn allow_sudo(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let folder = match path::open(root, Path::new("/etc/sudoers.d"), OFlag::O_PATH | OFlag::O_DIRECTORY) {
        Ok(folder) => folder,
        // No sudo in this image.
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(during("open `/etc/sudoers.d`")(errno)),
    };
    let written = path::write_file(folder.as_fd(), NAME, SUDO_RULE, Mode::from_bits_truncate(0o440));
    written.map(drop).map_err(during(format!("write `/etc/sudoers.d/{NAME}`")))
}

fn make_home(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let make = || {
        let homes = path::make_folder(root, Path::new("/home"))?;
        match mkdirat(homes.as_fd(), NAME, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        let (uid, gid) = (Some(Uid::from_raw(ID)), Some(Gid::from_raw(ID)));
        fchownat(homes.as_fd(), NAME, uid, gid, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)
    };
    make().map_err(during(format!("make `/home/{NAME}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learner_joins_group_sudo_only() {
        assert_eq!(with_sudo_member("sudo:x:27:"), "sudo:x:27:learner");
        assert_eq!(with_sudo_member("sudo:x:27:ann"), "sudo:x:27:ann,learner");
        assert_eq!(with_sudo_member("sudoers:x:28:"), "sudoers:x:28:");
    }
}
