//! The lists of steps. Order matters: see the reasons beside them.

use super::stage::Step;
use super::{cgroup, console, credentials, etc, filter, finish, hook, label, mounts, program, root};

/// From the first moment in the new namespaces to exec.
pub const STEPS: &[Step] = &[
    Step { name: "close descriptors", run: finish::close_descriptors },
    Step { name: "start a process session", run: finish::start_session },
    Step { name: "take a keyring", run: finish::take_keyring },
    Step { name: "set the host name", run: finish::set_names },
    Step { name: "bring the loopback link up", run: finish::bring_loopback_up },
    // The real /proc of the host is still in sight.
    Step { name: "find the security label", run: label::open_on_host },
    Step { name: "set the propagation of mounts", run: root::set_propagation },
    Step { name: "attach the root", run: root::attach_root },
    // proc and sysfs may only be mounted while the old ones are still in sight, so before the change of root.
    Step { name: "mount file systems", run: mounts::mount_filesystems },
    Step { name: "make devices", run: mounts::make_devices },
    Step { name: "open the terminal", run: console::open },
    // Settings before their folder turns read-only.
    Step { name: "set kernel settings", run: root::set_sysctls },
    Step { name: "write names into /etc", run: etc::write_names },
    Step { name: "make the learner", run: etc::make_learner },
    Step { name: "make paths read-only", run: root::make_paths_readonly },
    Step { name: "mask paths", run: root::mask_paths },
    Step { name: "make the working directory", run: root::make_cwd },
    Step { name: "run hooks", run: hook::before_change_of_root },
    Step { name: "change the root", run: root::change_root },
    // The namespace must see the final place.
    Step { name: "enter the cgroup", run: cgroup::enter },
    Step { name: "mount the cgroup tree", run: cgroup::mount_rest },
    Step { name: "make the root read-only", run: root::make_root_readonly },
    Step { name: "set standard input and output", run: console::set_standard },
    Step { name: "set limits", run: finish::set_limits },
    Step { name: "set the scheduler", run: finish::set_scheduler },
    Step { name: "reset signals", run: finish::reset_signals },
    // Without no_new_privs only CAP_SYS_ADMIN may load a filter, so before the capabilities are dropped.
    Step { name: "filter system calls", run: filter::load_with_privilege },
    Step { name: "enter the working directory", run: program::enter_cwd_as_root },
    Step { name: "drop capabilities", run: credentials::drop_capabilities },
    Step { name: "enter the working directory", run: program::enter_cwd },
    Step { name: "exec", run: program::look_up },
    Step { name: "wait for the start", run: finish::wait_for_start },
    Step { name: "filter system calls", run: filter::load_without_privilege },
    // Programs of the container's making: the filter holds for them, too.
    Step { name: "run startContainer hooks", run: hook::before_start },
    Step { name: "exec", run: program::exec },
];

/// From the first moment in a container's namespaces to exec.
pub const EXEC_STEPS: &[Step] = &[
    Step { name: "close descriptors", run: finish::close_descriptors },
    Step { name: "start a process session", run: finish::start_session },
    Step { name: "take a keyring", run: finish::take_keyring },
    Step { name: "open the root", run: root::open_current },
    Step { name: "find the security label", run: label::open_inside },
    Step { name: "set the first processors", run: finish::set_initial_cpus },
    Step { name: "enter the cgroup", run: cgroup::move_in },
    Step { name: "open the terminal", run: console::open },
    Step { name: "set standard input and output", run: console::set_standard },
    Step { name: "set limits", run: finish::set_limits },
    Step { name: "set the scheduler", run: finish::set_scheduler },
    Step { name: "reset signals", run: finish::reset_signals },
    Step { name: "filter system calls", run: filter::load_with_privilege },
    Step { name: "enter the working directory", run: program::enter_cwd_as_root },
    Step { name: "drop capabilities", run: credentials::drop_capabilities },
    Step { name: "enter the working directory", run: program::enter_cwd },
    Step { name: "exec", run: program::look_up },
    Step { name: "filter system calls", run: filter::load_without_privilege },
    Step { name: "exec", run: program::exec },
];
