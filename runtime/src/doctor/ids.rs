//! Whether the node's host ids belong to anyone else.

use std::fs;
use std::ops::Range;

use super::{Check, Node};
use crate::supervisor::node::{IDS_PER_SESSION, id_ranges};

const LISTS: [&str; 2] = ["/etc/subuid", "/etc/subgid"];
const USERS: [&str; 2] = ["/etc/passwd", "/etc/group"];

pub(super) fn check(node: &Node) -> Vec<Check> {
    let name = "host ids";
    let base = u64::from(node.uid_base);
    // Serve's own id stands below them.
    let ours =
        base.saturating_sub(1)..base + u64::from(id_ranges(node.sessions)) * u64::from(IDS_PER_SESSION);
    if ours.end > u64::from(u32::MAX) {
        let advice = "a lower --uid-base or fewer sessions";
        return vec![Check::fail(name, format!("{} to {} leave 32 bits", ours.start, ours.end), advice)];
    }
    let taken = taken(&ours);
    let finding = format!("{} to {}", ours.start, ours.end - 1);
    if taken.is_empty() {
        return vec![Check::ok(name, format!("{finding} belong to nobody else"))];
    }
    let finding = format!("{finding} overlap with {}", taken.join(", "));
    vec![Check::warn(name, finding, "choose another --uid-base")]
}

fn taken(ours: &Range<u64>) -> Vec<String> {
    let mut taken = Vec::new();
    for file in LISTS {
        let text = fs::read_to_string(file).unwrap_or_default();
        let ranges = text.lines().filter(|line| subordinate(line).is_some_and(|range| overlap(&range, ours)));
        taken.extend(ranges.map(|line| format!("`{line}` of {file}")));
    }
    for file in USERS {
        let text = fs::read_to_string(file).unwrap_or_default();
        let users = text.lines().filter(|line| own(line).is_some_and(|id| ours.contains(&id)));
        taken.extend(users.filter_map(|line| Some(format!("`{}` of {file}", line.split(':').next()?))));
    }
    taken
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

/// `name:first:count`
fn subordinate(line: &str) -> Option<Range<u64>> {
    let mut fields = line.split(':').skip(1).map(|field| field.trim().parse::<u64>());
    let (first, count) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(first..first.checked_add(count)?)
}

/// `name:x:id:...`
fn own(line: &str) -> Option<u64> {
    line.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_found_at_both_ends() {
        let ours = 100..200;
        for (line, found) in
            [("a:50:50", false), ("a:50:51", true), ("a:199:1", true), ("a:200:9", false), ("a:x", false)]
        {
            assert_eq!(subordinate(line).is_some_and(|range| overlap(&range, &ours)), found, "{line}");
        }
        assert_eq!(own("learner:x:1000:1000::/home:/bin/sh"), Some(1000));
    }
}
