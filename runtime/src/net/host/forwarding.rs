//! Whether the host forwards packets.

use std::fs;
use std::path::Path;

use super::record::{Record, Setting, read};
use crate::failure::Failure;

/// `RTF_DEFAULT` and `RTF_ADDRCONF` (kernel, include/uapi/linux/ipv6_route.h): a way out that a router has advertised.
const LEARNED: u32 = 0x0001_0000 | 0x0004_0000;

/// Of the internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

impl Version {
    /// The switch of all links, as a path below /proc/sys/net.
    pub(crate) fn switch(self) -> &'static str {
        match self {
            Self::V4 => "ipv4/ip_forward",
            Self::V6 => "ipv6/conf/all/forwarding",
        }
    }

    /// Whether the host forwards its packets; none where the kernel does not speak it.
    pub(crate) fn forwards(self) -> Option<bool> {
        read(self.switch()).map(|value| value != "0")
    }

    /// What the kernel sets to the switch's own value, and its value if that is another one than that of a host's.
    fn along(self) -> Vec<(String, String)> {
        let (folder, redirects) = match self {
            Self::V4 => ("ipv4/conf", Some("ipv4/conf/all/accept_redirects")),
            Self::V6 => ("ipv6/conf", None),
        };
        let links = fs::read_dir(Path::new("/proc/sys/net").join(folder)).into_iter().flatten().flatten();
        let names = links.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|name| name != "all").map(|name| format!("{folder}/{name}/forwarding"));
        let values = names.filter_map(|name| Some((read(&name)?, name)));
        let mut along: Vec<_> =
            values.filter(|(value, _)| value != "0").map(|(value, name)| (name, value)).collect();
        along.extend(redirects.and_then(|name| Some((name.to_owned(), read(name)?))));
        along
    }
}

/// Turns it on where it is off.
pub(super) fn turn_on(version: Version, record: &mut Record, path: &Path) -> Result<(), Failure> {
    if version.forwards() != Some(false) {
        return Ok(());
    }
    if version == Version::V6 {
        learned_routes().iter().try_for_each(|link| keep_learning(link, record, path))?;
    }
    let name = version.switch().to_owned();
    change(Setting { name, former: "0".into(), ours: "1".into(), along: version.along() }, record, path)
}

/// A host that forwards learns no routes, and the kernel drops those that it had, unless it is told to learn nevertheless.
fn keep_learning(link: &str, record: &mut Record, path: &Path) -> Result<(), Failure> {
    let name = format!("ipv6/conf/{link}/accept_ra");
    if read(&name).is_none_or(|value| value != "1") {
        return Ok(());
    }
    change(Setting { name, former: "1".into(), ours: "2".into(), along: Vec::new() }, record, path)
}

fn change(setting: Setting, record: &mut Record, path: &Path) -> Result<(), Failure> {
    record.note(setting.clone());
    record.save(path)?;
    setting.change()
}

/// Links of which a router has said that it leads further, and whose routes the kernel itself keeps.
pub(crate) fn learned_routes() -> Vec<String> {
    learned(&fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default())
}

fn learned(routes: &str) -> Vec<String> {
    let link = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
        (flags & LEARNED == LEARNED).then(|| words.get(9).map(|link| (*link).to_owned()))?
    };
    let mut links: Vec<String> = routes.lines().filter_map(link).collect();
    links.sort_unstable();
    links.dedup();
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_advertised_default_routes_are_learned() {
        let zero = "0".repeat(32);
        let line = |flags: &str, link: &str| {
            format!(
                "{zero} 00 {zero} 00 fe80000000000000020000fffe000001 00000400 00000001 00000000 {flags} {link}\n"
            )
        };
        let routes = [line("00450003", "eth0"), line("00000003", "wg0"), line("00450003", "eth0")].concat();
        assert_eq!(learned(&routes), ["eth0"]);
    }
}
