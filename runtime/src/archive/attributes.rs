//! Extended attributes that mean something in a container and in a layer: a file's capabilities, and the users' own.

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::sys::xattr;

/// Longest list of names and longest value (the kernel's own bounds).
const MAX_BYTES: usize = 64 * 1024;
/// The kernel's form of a capability set that belongs to the root of one user namespace.
const VERSION_3: u32 = 0x0300_0000;
const VERSION_2: u32 = 0x0200_0000;
const VERSION_MASK: u32 = 0xff00_0000;
/// Length of version 2: the magic, and two sets of two words.
const VERSION_2_BYTES: usize = 20;

/// Overlay's own would let a layer redirect the view of the others, and the rest belongs to the host.
pub(super) fn is_wanted(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

/// The wanted attributes of an open file, ordered by name.
pub(super) fn read(file: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; MAX_BYTES];
    let length = match xattr::list(file, &mut []) {
        Ok(0) | Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        Ok(_) => xattr::list(file, &mut names)?,
        Err(errno) => return Err(errno.into()),
    };
    names.truncate(length);
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| is_wanted(name)) {
        let mut value = vec![0; MAX_BYTES];
        match xattr::get(file, &CString::new(name)?, &mut value) {
            Ok(length) => value.truncate(length),
            // Removed meanwhile.
            Err(Errno::ENODATA) => continue,
            Err(errno) => return Err(errno.into()),
        }
        found.push((name.to_vec(), of_any_namespace(name, value)));
    }
    found.sort();
    Ok(found)
}

/// Sets one. What a file system does not have is left out, as Docker does, unless it is about privilege.
pub(super) fn set(file: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    let name_text =
        CString::new(name).map_err(|_| io::Error::other("an attribute's name holds a zero byte"))?;
    match xattr::set(file, &name_text, value) {
        Err(Errno::EOPNOTSUPP | Errno::EPERM) if name.starts_with(b"user.") => Ok(()),
        other => Ok(other?),
    }
}

/// A layer does not know which namespace it will be used in: the owner of a capability set is left out.
fn of_any_namespace(name: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let magic = value.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    match magic {
        Some(magic) if name == b"security.capability" && magic & VERSION_MASK == VERSION_3 => {
            value.truncate(VERSION_2_BYTES);
            let magic = (magic & !VERSION_MASK) | VERSION_2;
            if let Some(first) = value.first_chunk_mut::<4>() {
                *first = magic.to_le_bytes();
            }
            value
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_lose_their_owner() {
        let mut version_3 = 0x0300_0001u32.to_le_bytes().to_vec();
        version_3.extend_from_slice(&[7; 16]);
        version_3.extend_from_slice(&1000u32.to_le_bytes());
        let version_2 = of_any_namespace(b"security.capability", version_3);
        assert_eq!(version_2.len(), VERSION_2_BYTES);
        assert_eq!(version_2[..4], 0x0200_0001u32.to_le_bytes());
    }

    #[test]
    fn only_some_are_taken() {
        assert!(is_wanted(b"user.a") && is_wanted(b"security.capability"));
        for other in
            ["trusted.overlay.opaque", "user.overlay.opaque", "security.selinux", "system.posix_acl_access"]
        {
            assert!(!is_wanted(other.as_bytes()), "{other}");
        }
    }
}
