//! `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf` of a machine.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::Mode;

use super::path;
use crate::failure::{Failure, during};
use crate::supervisor::name::Hostname;

/// Longest file that is compared before it is written; a longer one is not ours.
const LIMIT: usize = 64 * 1024;

/// Of a machine that nobody reaches, as in Debian.
const NO_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// Of a machine that reaches nothing.
const NO_SERVER: &str = "# No name server: this machine has no network but its own loopback.\n";

/// Writes the three files, `resolv` or a note as the last of them, each only where it differs: a file of the image would first have to be copied up.
///
/// # Errors
/// With the file and what the kernel said.
pub fn write(
    root: BorrowedFd<'_>,
    hostname: &Hostname,
    address: Option<Ipv4Addr>,
    resolv: Option<&str>,
) -> Result<(), Failure> {
    let folder = path::make_folder(root, Path::new("/etc")).map_err(during("open `/etc`"))?;
    let name = hostname.as_str();
    let own = address.unwrap_or(NO_ADDRESS);
    let hosts = format!(
        "127.0.0.1\tlocalhost\n{own}\t{name}\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
    );
    let resolv = resolv.unwrap_or(NO_SERVER).to_owned();
    for (file, content) in [("hostname", format!("{name}\n")), ("hosts", hosts), ("resolv.conf", resolv)] {
        write_if_other(folder.as_fd(), file, content.as_bytes())
            .map_err(during(format!("write `/etc/{file}`")))?;
    }
    Ok(())
}

fn write_if_other(folder: BorrowedFd<'_>, name: &str, content: &[u8]) -> Result<(), Errno> {
    if path::read_file(folder, Path::new(name), LIMIT).is_ok_and(|current| current == content) {
        return Ok(());
    }
    path::write_file(folder, name, content, Mode::from_bits_truncate(0o644)).map(drop)
}
