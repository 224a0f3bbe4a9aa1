//! `tiny`: the host's static busybox under all its names, and the few files that a login needs.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use tar::{Builder, EntryType, Header};

use super::{Progress, failed};
use crate::image::Error;

/// Where distributions put it.
const PLACES: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox-static"];
const INSTALL: &str = "install a static busybox (Debian: apt install busybox-static)";

/// Path, mode and owner.
const FOLDERS: [(&str, u32, u64); 18] = [
    ("bin", 0o755, 0),
    ("dev", 0o755, 0),
    ("etc", 0o755, 0),
    ("home", 0o755, 0),
    ("home/learner", 0o755, 1000),
    ("mnt", 0o755, 0),
    ("proc", 0o555, 0),
    ("root", 0o700, 0),
    ("run", 0o755, 0),
    ("sbin", 0o755, 0),
    ("sys", 0o555, 0),
    ("tmp", 0o1777, 0),
    ("usr", 0o755, 0),
    ("usr/bin", 0o755, 0),
    ("usr/sbin", 0o755, 0),
    ("var", 0o755, 0),
    ("var/log", 0o755, 0),
    ("var/tmp", 0o1777, 0),
];

const PROFILE: &str = r#"export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LANG="${LANG:-C.UTF-8}" PAGER=less EDITOR=vi
umask 022
if [ "$(id -u)" = 0 ]; then colour=31 end='#'; else colour=32 end='$'; fi
PS1='\[\e[1;'$colour'm\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]'$end' '
unset colour end
alias ls='ls --color=auto' ll='ls -l'
"#;

/// Path, mode and content.
const FILES: [(&str, u32, &str); 9] = [
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nlearner:x:1000:1000:learner:/home/learner:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("etc/group", 0o644, "root:x:0:\ntty:x:5:\nsudo:x:27:learner\nlearner:x:1000:\nnogroup:x:65534:\n"),
    (
        "etc/shadow",
        0o640,
        "root:*:19000:0:99999:7:::\nlearner:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
    ),
    ("etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/resolv.conf", 0o644, ""),
    ("etc/nsswitch.conf", 0o644, "hosts: files dns\n"),
    ("etc/shells", 0o644, "/bin/sh\n/bin/ash\n"),
    (
        "etc/os-release",
        0o644,
        "NAME=\"Sandlot tiny\"\nID=sandlot-tiny\nPRETTY_NAME=\"Sandlot tiny (busybox)\"\n",
    ),
    ("etc/profile", 0o644, PROFILE),
];

/// Writes the tar.
pub(super) fn make(into: &mut File, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    let mut say = |percent, stage: &str| progress(Progress { percent, stage: stage.to_owned() });
    say(0, "looking for busybox");
    let (place, program) = find()?;
    let applets = applets(place)?;
    say(50, "writing the files");
    write(into, &program, &applets).map_err(|error| failed("tiny", error))?;
    say(100, "done");
    Ok(())
}

fn find() -> Result<(&'static str, Vec<u8>), Error> {
    let read = |place: &&'static str| fs::read(place).ok().map(|program| (*place, program));
    let (place, program) = PLACES
        .iter()
        .find_map(read)
        .ok_or_else(|| failed("tiny", format!("this host has no busybox; {INSTALL}")))?;
    // The name of the dynamic loader stands in every program that needs one.
    if program.windows(7).any(|part| part == b"/ld-lin" || part == b"/ld-mus") {
        return Err(failed("tiny", format!("`{place}` needs shared libraries; {INSTALL}")));
    }
    Ok((place, program))
}

/// Paths of the names by which busybox is called.
fn applets(place: &str) -> Result<Vec<String>, Error> {
    let listing = Command::new(place).arg("--list-full").stdin(std::process::Stdio::null()).output();
    let listing = listing.map_err(|error| failed("tiny", format!("run `{place}`: {error}")))?;
    let text = String::from_utf8_lossy(&listing.stdout);
    let applets: Vec<String> = text.lines().filter(|line| is_applet(line)).map(str::to_owned).collect();
    if listing.status.success() && !applets.is_empty() {
        Ok(applets)
    } else {
        Err(failed("tiny", format!("`{place}` does not list its commands; {INSTALL}")))
    }
}

fn is_applet(path: &str) -> bool {
    let folder = path.rsplit_once('/').map(|(folder, _)| folder);
    path != "bin/busybox" && matches!(folder, Some("bin" | "sbin" | "usr/bin" | "usr/sbin"))
}

fn write(into: &mut File, program: &[u8], applets: &[String]) -> io::Result<()> {
    let mut tar = Builder::new(io::BufWriter::new(into));
    for (path, mode, owner) in FOLDERS {
        let mut header = header(EntryType::Directory, mode, owner, 0);
        tar.append_data(&mut header, Path::new(path), io::empty())?;
    }
    let mut busybox = header(EntryType::Regular, 0o755, 0, program.len());
    tar.append_data(&mut busybox, "bin/busybox", program)?;
    for applet in applets {
        let mut header = header(EntryType::Symlink, 0o777, 0, 0);
        tar.append_link(&mut header, applet, "/bin/busybox")?;
    }
    for (path, mode, content) in FILES {
        let mut header = header(EntryType::Regular, mode, 0, content.len());
        tar.append_data(&mut header, path, content.as_bytes())?;
    }
    tar.into_inner()?.flush()
}

/// The time is always 0, so that equal content has an equal digest.
fn header(kind: EntryType, mode: u32, owner: u64, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}
