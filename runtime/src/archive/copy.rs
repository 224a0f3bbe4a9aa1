//! Members of one tar written to another.

use std::io::{self, Read, Write};

use tar::EntryType;

use super::header::{Item, end, pad};
use super::reader::{Member, Reader};

/// Writes a member and the content that `from` has for it, in the PAX form and without holes.
///
/// # Errors
/// When an id is out of the form's reach, `from` ends early, or `out` cannot be written.
pub fn copy_member<R: Read>(
    member: &Member,
    from: &mut Reader<R>,
    mut out: &mut dyn Write,
) -> io::Result<()> {
    let item = item(member)?;
    item.write(&mut out)?;
    if item.size > 0 {
        io::copy(&mut from.content(), out)?;
        pad(&mut out, item.size)?;
    }
    Ok(())
}

/// Ends the archive that members were written to.
///
/// # Errors
/// When it cannot be written.
pub fn end_archive(mut out: &mut dyn Write) -> io::Result<()> {
    end(&mut out)?;
    out.flush()
}

fn item(member: &Member) -> io::Result<Item> {
    let id = |number: u64| u32::try_from(number).map_err(io::Error::other);
    let mut path = member.path.clone();
    if member.kind == EntryType::Directory && !path.ends_with(b"/") {
        path.push(b'/');
    }
    let mut attributes: Vec<_> =
        member.attributes().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    attributes.sort();
    Ok(Item {
        path,
        kind: member.kind,
        link: member.target().map(<[u8]>::to_vec),
        mode: member.mode,
        uid: id(member.uid)?,
        gid: id(member.gid)?,
        size: if member.kind == EntryType::Regular { member.length } else { 0 },
        mtime: member.time,
        device: member.device,
        attributes,
    })
}
