//! What a member of a tar says about its file beside the content.

use std::io;

use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;

use super::attributes;
use super::reader::Member;

/// Ids that a user namespace of ours has.
const IDS: u64 = 65_536;

/// Owner, permissions, time and attributes.
#[derive(Debug)]
pub(super) struct Status<'a> {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: Mode,
    pub(super) time: TimeSpec,
    pub(super) attributes: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Status<'a> {
    pub(super) fn of(member: &'a Member) -> io::Result<Self> {
        let id = |number: u64| {
            let id = u32::try_from(number).ok().filter(|_| number < IDS);
            id.ok_or_else(|| io::Error::other(format!("its owner {number} is not below {IDS}")))
        };
        let (seconds, nanoseconds) = member.time;
        Ok(Self {
            uid: id(member.uid)?,
            gid: id(member.gid)?,
            mode: Mode::from_bits_truncate(member.mode & 0o7777),
            time: TimeSpec::new(seconds, nanoseconds.into()),
            attributes: member.attributes().filter(|(name, _)| attributes::is_wanted(name)).collect(),
        })
    }
}
