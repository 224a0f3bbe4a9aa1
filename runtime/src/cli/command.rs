//! The commands and their flags.

use super::arguments::{Flag, Parsed, switch, value};
use super::context::Context;
use super::{
    Outcome, create, delete, documents, events, exec, kill, list, pause, ps, run, start, state, unavailable,
    update,
};

/// One command.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    /// Its arguments, as help shows them.
    pub(super) arguments: &'static str,
    pub(super) flags: &'static [Flag],
    /// Whether flags may come after arguments: not where these are another program's.
    pub(super) reorders: bool,
    /// Fewest and most arguments.
    pub(super) count: (usize, usize),
    pub(super) run: fn(&Context, &Parsed) -> Outcome,
    /// What errors begin with.
    pub(super) failure: &'static str,
    pub(super) failure_status: i32,
}

impl Command {
    const fn new(name: &'static str, usage: &'static str, run: fn(&Context, &Parsed) -> Outcome) -> Self {
        Self {
            name,
            usage,
            arguments: "<container-id>",
            flags: &[],
            reorders: true,
            count: (1, 1),
            run,
            failure: "",
            failure_status: 1,
        }
    }

    /// Counts the arguments.
    pub(super) fn check(&self, program: &str, given: &Parsed) -> Result<(), String> {
        let (fewest, most) = self.count;
        let count = given.rest.len();
        let rule = match () {
            () if fewest == most && count != fewest => format!("exactly {fewest}"),
            () if count < fewest => format!("a minimum of {fewest}"),
            () if count > most => format!("a maximum of {most}"),
            () => return Ok(()),
        };
        Err(format!("{program}: {:?} requires {rule} argument(s)", self.name))
    }
}

/// Flags before the command.
pub(super) const GLOBAL: &[Flag] = &[
    switch(&["debug"], "enable debug logging"),
    value(&["log"], "file that log entries go to (default: standard error)"),
    value(&["log-format"], "format of log entries: text (default) or json"),
    value(&["root"], "folder for the state of containers, best on a tmpfs"),
    value(&["criu"], "(ignored: containers cannot be checkpointed)"),
    switch(&["systemd-cgroup"], "make cgroups by systemd; cgroupsPath is slice:prefix:name then"),
    value(&["rootless"], "ignore refused cgroups: true, false or auto"),
    switch(&["version", "v"], "print the version"),
];

const BUNDLE: Flag = value(&["bundle", "b"], "folder of the bundle (default: the current one)");
const CONSOLE: Flag = value(&["console-socket"], "unix socket that takes the terminal");
const PID_FILE: Flag = value(&["pid-file"], "file that the process id is written to");
const NO_PIVOT: Flag = switch(&["no-pivot"], "move the root instead of pivot_root, for roots on a ramdisk");
const NO_KEYRING: Flag = switch(&["no-new-keyring"], "inherit the caller's session keyring");
const PRESERVE: Flag = value(&["preserve-fds"], "number of further descriptors that the program inherits");
const DETACH: Flag = switch(&["detach", "d"], "do not wait for the process");
const FORMAT: Flag = value(&["format", "f"], "table (default) or json");

const CREATE: &[Flag] = &[BUNDLE, CONSOLE, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE];
const RUN: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    DETACH,
    switch(&["keep"], "do not delete the container after its end"),
    PID_FILE,
    switch(&["no-subreaper"], "leave orphans of the container to others"),
    NO_PIVOT,
    NO_KEYRING,
    PRESERVE,
];
const EXEC: &[Flag] = &[
    CONSOLE,
    value(&["cwd"], "working directory inside"),
    value(&["env", "e"], "variable as NAME=value; may be repeated"),
    switch(&["tty", "t"], "give it a terminal"),
    value(&["user", "u"], "user, as uid or uid:gid"),
    value(&["additional-gids", "g"], "further group; may be repeated"),
    value(&["process", "p"], "file with the process as JSON"),
    DETACH,
    PID_FILE,
    value(&["process-label"], "SELinux label"),
    value(&["apparmor"], "AppArmor profile"),
    switch(&["no-new-privs"], "set no_new_privs"),
    value(&["cap", "c"], "further capability; may be repeated"),
    PRESERVE,
    value(&["cgroup"], "cgroup below the container's, as [controller[,controller]:]path; may be repeated"),
    switch(&["ignore-paused"], "do so in a paused container, too"),
];
const UPDATE: &[Flag] = &[
    value(&["resources", "r"], "file with the limits as JSON (linux.resources), - for standard input"),
    value(&["blkio-weight"], "weight of block io, 10 to 1000"),
    value(&["cpu-period"], "period of the cpu quota in microseconds"),
    value(&["cpu-quota"], "cpu time per period in microseconds"),
    value(&["cpu-share", "cpu-shares"], "cpu weight against other containers"),
    value(&["cpu-rt-period"], "period of the real-time quota in microseconds"),
    value(&["cpu-rt-runtime"], "real-time cpu time per period in microseconds"),
    value(&["cpuset-cpus"], "processors"),
    value(&["cpuset-mems"], "memory nodes"),
    value(&["kernel-memory"], "(obsolete, ignored)"),
    value(&["kernel-memory-tcp"], "(obsolete, ignored)"),
    value(&["memory"], "memory in bytes"),
    value(&["memory-reservation"], "memory that is left to it when memory is short, in bytes"),
    value(&["memory-swap"], "memory and swap in bytes; -1 for no limit"),
    value(&["pids-limit"], "number of processes"),
    value(&["l3-cache-schema"], "(Intel RDT is not supported)"),
    value(&["mem-bw-schema"], "(Intel RDT is not supported)"),
];

/// Every command.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        flags: unavailable::FLAGS,
        ..Command::new("checkpoint", "checkpoint a running container", unavailable::checkpoint)
    },
    Command {
        flags: CREATE,
        failure: "runc create failed: ",
        ..Command::new("create", "create a container", create::run)
    },
    Command {
        flags: &[switch(&["force", "f"], "kill the container if it still runs")],
        ..Command::new("delete", "delete what a container holds", delete::run)
    },
    Command {
        flags: &[
            value(&["interval"], "time between statistics (default: 5s)"),
            switch(&["stats"], "print the statistics once"),
        ],
        ..Command::new("events", "display events and statistics of a container", events::run)
    },
    Command {
        flags: EXEC,
        reorders: false,
        arguments: "<container-id> <command> [arguments] || -p process.json <container-id>",
        count: (1, usize::MAX),
        failure: "exec failed: ",
        failure_status: 255,
        ..Command::new("exec", "execute a new process inside a container", exec::run)
    },
    Command {
        arguments: "",
        count: (0, 0),
        ..Command::new("features", "show what this runtime can do", documents::show_features)
    },
    Command {
        flags: &[switch(&["all", "a"], "send it to every process of the container")],
        arguments: "<container-id> [signal]",
        count: (1, 2),
        ..Command::new("kill", "send a signal (default: SIGTERM) to a container", kill::run)
    },
    Command {
        flags: &[FORMAT, switch(&["quiet", "q"], "print ids only")],
        arguments: "",
        count: (0, 0),
        ..Command::new("list", "list the containers of a root", list::run)
    },
    Command::new("pause", "suspend all processes of a container", pause::pause),
    Command {
        flags: &[FORMAT],
        reorders: false,
        arguments: "<container-id> [ps options]",
        count: (1, usize::MAX),
        ..Command::new("ps", "display the processes of a container", ps::run)
    },
    Command {
        flags: unavailable::FLAGS,
        ..Command::new("restore", "restore a container from a checkpoint", unavailable::restore)
    },
    Command::new("resume", "resume the processes of a paused container", pause::resume),
    Command {
        flags: RUN,
        failure: "runc run failed: ",
        ..Command::new("run", "create and run a container", run::run)
    },
    Command {
        flags: &[BUNDLE, switch(&["rootless"], "for an ordinary user")],
        arguments: "",
        count: (0, 0),
        ..Command::new("spec", "create a new specification file", documents::write_spec)
    },
    Command::new("start", "run the program of a created container", start::run),
    Command::new("state", "output the state of a container", state::run),
    Command { flags: UPDATE, ..Command::new("update", "change the limits of a container", update::run) },
];
