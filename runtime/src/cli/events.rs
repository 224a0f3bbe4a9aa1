//! `events`: statistics now and then, and a line when memory runs out.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use serde_json::json;

use super::arguments::Parsed;
use super::context::Context;
use super::{Outcome, duration, print};
use crate::cgroup::OomNotice;
use crate::cgroup::container::ContainerGroup;
use crate::oci::{Error, Record, Status};
use crate::sys::pidfd;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let record = context.container(given)?;
    let interval = duration::parse(given.text("interval").unwrap_or("5s"));
    let interval = interval.filter(|interval| !interval.is_zero());
    let interval = interval.ok_or_else(|| Error::said("duration interval must be greater than 0"))?;
    if record.status() == Status::Stopped {
        return Err(Error::said(format!("container with id {} is not running", record.id)));
    }
    let group = record.placed.group()?;
    if given.has("stats") {
        return Ok(print_stats(&record, &group));
    }
    watch(&record, &group, interval)
}

fn print_stats(record: &Record, group: &ContainerGroup) -> i32 {
    // The order of the fields is part of the format.
    let (id, data) = (json!(record.id), group.stats());
    print(&format!("{{\"type\":\"stats\",\"id\":{id},\"data\":{data}}}\n"))
}

/// Until the first process of the container ends.
fn watch(record: &Record, group: &ContainerGroup, interval: Duration) -> Outcome {
    let failed = |errno: Errno| Error::said(format!("watch the container: {}", errno.desc().to_lowercase()));
    let process = pidfd::open(Pid::from_raw(record.pid)).map_err(failed)?;
    // Without memory counted there is nothing to be told.
    let mut notice = group.oom_notice().ok();
    let mut kills = group.oom_kills();
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let (ended, noticed) = wait(process.as_fd(), notice.as_ref(), timeout).map_err(failed)?;
        if noticed {
            tell_oom(record, group, &mut notice, &mut kills);
        }
        if ended {
            return Ok(0);
        }
        if Instant::now() >= next {
            next = Instant::now() + interval;
            print_stats(record, group);
        }
    }
}

fn wait(
    process: std::os::fd::BorrowedFd<'_>,
    notice: Option<&OomNotice>,
    timeout: PollTimeout,
) -> Result<(bool, bool), Errno> {
    let mut watched = vec![PollFd::new(process, PollFlags::POLLIN)];
    watched.extend(notice.map(|notice| PollFd::new(notice.as_fd(), notice.poll_flags())));
    match poll(&mut watched, timeout) {
        Err(Errno::EINTR) => return Ok((false, false)),
        result => result?,
    };
    let mut ready = watched.iter().map(|one| one.any().unwrap_or(false));
    Ok((ready.next().unwrap_or(false), ready.next().unwrap_or(false)))
}

/// The notice may also be of the group's end: the count decides.
fn tell_oom(
    record: &Record,
    group: &ContainerGroup,
    notice: &mut Option<OomNotice>,
    kills: &mut Option<u64>,
) {
    let acknowledged = notice.as_mut().is_some_and(|notice| notice.acknowledge().is_ok());
    let now = group.oom_kills();
    if now > *kills {
        print(&format!("{{\"type\":\"oom\",\"id\":{}}}\n", json!(record.id)));
    }
    *kills = now;
    if !acknowledged || now.is_none() {
        *notice = None;
    }
}
