//! `exec`.

use super::arguments::Parsed;
use super::context::Context;
use super::create::{path, preserved};
use super::{Outcome, process};
use crate::oci::{self, Error, ExecOptions};

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    oci::protect_program()?;
    let record = context.container(given)?;
    let options = ExecOptions {
        pid_file: path(given, "pid-file"),
        console_socket: path(given, "console-socket"),
        detach: given.has("detach"),
        preserve_fds: preserved(given)?,
        sub_groups: sub_groups(&given.all("cgroup"))?,
        ignore_paused: given.has("ignore-paused"),
    };
    oci::check_exec(&record, &options)?;
    let process = process::wanted(&record, given)?;
    context.log.trace_start("setns_init");
    let (status, warnings) = oci::exec(&context.root, &record, process, &options)?;
    context.log.warn_all(&warnings);
    Ok(status)
}

/// Reads `[controller[,controller...]:]path` arguments.
fn sub_groups(given: &[&str]) -> Result<Vec<(Option<String>, String)>, Error> {
    let mut groups = Vec::new();
    for text in given {
        match text.split(':').collect::<Vec<_>>().as_slice() {
            [path] if given.len() == 1 => groups.push((None, (*path).to_owned())),
            [_] => {
                let why = format!("invalid --cgroup argument: {text} (missing <controller>: prefix)");
                return Err(Error::said(why));
            }
            [controllers, path] => {
                let each = |controller: &str| (Some(controller.to_owned()), (*path).to_owned());
                groups.extend(controllers.split(',').map(each));
            }
            _ => return Err(Error::said(format!("invalid --cgroup argument: {text}"))),
        }
    }
    Ok(groups)
}
