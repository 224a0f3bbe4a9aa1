//! What `/proc` says of a process.

use std::fs;

/// When a process began, in clock ticks since boot (proc_pid_stat(5), field 22); `None` when there is no such process or
/// only its exit status is left of it.
pub(super) fn start_time(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether two processes share a namespace of this kind, by its name below `ns`.
pub(super) fn is_own_namespace(pid: i32, kind: &str) -> bool {
    let of = |who: &str| fs::read_link(format!("/proc/{who}/ns/{kind}")).ok();
    of("self") == of(&pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_began() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(pid).is_some_and(|ticks| ticks > 0));
        assert_eq!(start_time(-1), None);
        assert!(is_own_namespace(pid, "pid"));
    }
}
