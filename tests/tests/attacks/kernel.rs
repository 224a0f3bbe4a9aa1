//! The kernel's own doors: settings, masked files, calls, mounts, namespaces, control groups.

use std::collections::HashSet;

use oci_spec::runtime::{Capability, Spec};

use crate::case::{Case, Weakened, words};
use crate::host::Host;

const ALL: &[&str] = &["--pid", "--net", "--ipc", "--uts"];

/// Only the filter is left out.
const UNFILTERED: Weakened = Weakened::Spec(remove_filter);
const ADMINISTRATOR: Weakened = Weakened::Spec(|spec| {
    remove_filter(spec);
    add_capability(spec, Capability::SysAdmin);
});
const BY_HAND: Weakened = Weakened::ByHand(ALL);

const fn case(
    name: &'static str,
    because: &'static str,
    attack: fn(&Host) -> Vec<String>,
    weakened: Weakened,
) -> Case {
    Case { name, because, attack, weakened }
}

pub(crate) const CASES: &[Case] = &[
    case(
        "core_pattern_does_not_open",
        "Permission denied",
        |_| words(&["write", "/proc/sys/kernel/core_pattern"]),
        BY_HAND,
    ),
    case("other_kernel_settings_do_not_open", "Permission denied", |_| words(SETTINGS), BY_HAND),
    case(
        "settings_of_own_namespaces_need_a_capability",
        "Permission denied",
        |_| words(&["write", "/proc/sys/net/ipv4/ip_forward"]),
        Weakened::Spec(|spec| {
            change_linux(spec, |linux| _ = linux.set_readonly_paths(None));
            add_capability(spec, Capability::NetAdmin);
        }),
    ),
    case(
        "sysrq_trigger_does_not_open",
        "",
        |_| words(&["write", "/proc/sysrq-trigger"]),
        Weakened::WhereKernelHas("/proc/sysrq-trigger", ALL),
    ),
    case(
        "masked_files_are_empty",
        "/proc/keys: empty",
        |_| words(MASKED),
        Weakened::Spec(|spec| {
            change_linux(spec, |linux| _ = linux.set_masked_paths(None));
        }),
    ),
    case(
        "sysfs_does_not_open",
        "Permission denied",
        |_| words(&["write", "/sys/kernel/mm/transparent_hugepage/enabled"]),
        BY_HAND,
    ),
    case("release_agents_are_out_of_reach", "EPERM", |_| words(&["release-agent"]), BY_HAND),
    case("no_new_mount", "EPERM", |_| words(&["mount"]), ADMINISTRATOR),
    case("read_only_paths_stay_so", "EPERM", |_| words(&["remount-writable", "/proc/sys"]), ADMINISTRATOR),
    case("no_new_user_namespace", "unshare: EPERM", |_| words(&["user-namespace"]), UNFILTERED),
    case(
        "user_namespaces_only_where_the_playground_allows_them",
        "unshare: EPERM",
        |_| words(&["user-namespace"]),
        Weakened::Request(|machine| machine.user_namespaces = true),
    ),
    call("no_process_in_a_new_user_namespace", |_| words(&["call", "clone-user-namespace"]), UNFILTERED),
    // ENOSYS, for which libraries fall back to clone.
    case("no_clone_that_a_filter_cannot_read", "ENOSYS", |_| words(&["call", "clone3"]), UNFILTERED),
    case("the_host_name_stays", "EPERM", |_| words(&["set-hostname"]), ADMINISTRATOR),
    call("no_key_is_added", |_| words(&["call", "add_key"]), UNFILTERED),
    call("no_key_is_requested", |_| words(&["call", "request_key"]), UNFILTERED),
    call("no_keyring_is_reached", |_| words(&["call", "keyctl"]), UNFILTERED),
    call(
        "no_module_is_loaded",
        |_| words(&["call", "init_module"]),
        Weakened::WhereKernelHas("/proc/modules", ALL),
    ),
    call(
        "no_kernel_is_loaded",
        |_| words(&["call", "kexec_load"]),
        Weakened::WhereKernelHas("/sys/kernel/kexec_loaded", ALL),
    ),
    call("no_bpf", |_| words(&["call", "bpf"]), UNFILTERED),
    call("no_performance_events", |_| words(&["call", "perf_event_open"]), UNFILTERED),
    call("no_page_faults_for_others", |_| words(&["call", "userfaultfd"]), UNFILTERED),
    call("no_submission_rings", |_| words(&["call", "io_uring_setup"]), UNFILTERED),
    call("files_do_not_open_by_handle", |_| words(&["call", "open_by_handle_at"]), BY_HAND),
    call("the_clock_stays", |_| words(&["call", "settimeofday"]), BY_HAND),
    call("the_kernel_log_stays_closed", |_| words(&["call", "syslog"]), BY_HAND),
    call(
        "no_reboot",
        |_| words(&["call", "reboot"]),
        Weakened::Spec(|spec| {
            remove_filter(spec);
            add_capability(spec, Capability::SysBoot);
        }),
    ),
];

/// A system call that is refused as such.
const fn call(name: &'static str, attack: fn(&Host) -> Vec<String>, weakened: Weakened) -> Case {
    case(name, "EPERM", attack, weakened)
}

const SETTINGS: &[&str] = &[
    "write",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/irq/default_smp_affinity",
];

const MASKED: &[&str] = &[
    "read",
    "/proc/keys",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/timer_list",
    "/proc/acpi",
    "/proc/scsi",
];

fn remove_filter(spec: &mut Spec) {
    change_linux(spec, |linux| _ = linux.set_seccomp(None));
}

fn change_linux(spec: &mut Spec, change: impl FnOnce(&mut oci_spec::runtime::Linux)) {
    if let Some(linux) = spec.linux_mut() {
        change(linux);
    }
}

/// Adds a capability to the sets of every process.
fn add_capability(spec: &mut Spec, capability: Capability) {
    let Some(process) = spec.process_mut() else { return };
    let Some(mut sets) = process.capabilities().clone() else { return };
    let with = |set: &Option<HashSet<Capability>>| {
        let mut set = set.clone().unwrap_or_default();
        set.insert(capability);
        Some(set)
    };
    let (bounding, permitted, effective) =
        (with(sets.bounding()), with(sets.permitted()), with(sets.effective()));
    sets.set_bounding(bounding).set_permitted(permitted).set_effective(effective);
    process.set_capabilities(Some(sets));
}
