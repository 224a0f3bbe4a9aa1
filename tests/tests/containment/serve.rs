//! What serve is, as the host sees it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sandlot_tests::api::Api;

use crate::{node, probe_as, refusal};

fn status(pid: u32) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect())
}

#[tokio::test]
async fn serve_holds_no_power() -> Result<()> {
    let node = node()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    for thread in fs::read_dir(format!("/proc/{}/task", node.serve_pid()?))? {
        let thread = thread?.file_name().to_string_lossy().parse()?;
        let status = status(thread)?;
        let value = |name: &str| status.get(name).map(String::as_str).unwrap_or_default();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            ensure!(value(set) == "0000000000000000", "{set} of thread {thread}: {}", value(set));
        }
        let uid = node.serve_uid();
        let alone = format!("{uid} {uid} {uid} {uid}");
        ensure!(value("Uid") == alone && value("Gid") == alone, "{status:?}");
        ensure!(value("Groups").is_empty(), "groups {}", value("Groups"));
        ensure!(value("NoNewPrivs") == "1" && value("Seccomp") == "2", "{status:?}");
    }
    // The filter is serve's own: what instances are refused by name is not what serve may do either.
    let root = status_of_weak_process()?;
    ensure!(root != "0000000000000000", "a process with capabilities would not be told apart");
    Ok(())
}

fn status_of_weak_process() -> Result<String> {
    status(std::process::id())?.remove("CapEff").context("no CapEff")
}

/// Everything that serve holds open, by its kind. What is not listed here does not belong there.
#[tokio::test]
async fn serve_holds_only_what_is_listed() -> Result<()> {
    let node = node()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    let state = node.state_dir().join("serve").display().to_string();
    let place = format!("/proc/{}/fd", node.serve_pid()?);
    let mut strangers = Vec::new();
    for entry in fs::read_dir(&place)? {
        let entry = entry?;
        // One that was closed meanwhile is nobody's.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let target = target.display().to_string();
        let number: u32 = entry.file_name().to_string_lossy().parse()?;
        let own_log =
            number <= 2 && (target == "/dev/null" || target.ends_with("/log") || target.starts_with("pipe:"));
        let kinds = [
            "anon_inode:[eventpoll]",
            "anon_inode:[eventfd]",
            "socket:",
            // The ptmx of a terminal, and its ring.
            "/dev/ptmx",
            "/dev/pts/ptmx",
            "/ptmx",
            "/memfd:",
        ];
        // By their cpu time serve sees where ports may have changed; these files tell it, and take nothing.
        let cpu_time = ["/cpuacct.usage", "/cpu.stat"].iter().any(|file| target.ends_with(file));
        let own = cpu_time && target.contains(node.cgroup_parent());
        let listed = own || kinds.iter().any(|kind| target.starts_with(kind)) || target.starts_with(&state);
        if !own_log && !listed {
            strangers.push(format!("{number} -> {target}"));
        }
    }
    ensure!(strangers.is_empty(), "{strangers:?}");
    let sockets = own_sockets(node.serve_pid()?)?;
    ensure!(sockets.iter().all(|kind| matches!(*kind, "tcp" | "unix")), "{sockets:?}");
    let cwd = fs::read_link(format!("/proc/{}/cwd", node.serve_pid()?))?;
    println!("serve's working directory: {}", cwd.display());
    Ok(())
}

/// The kinds of serve's sockets, by the tables of its network namespace.
fn own_sockets(pid: u32) -> Result<Vec<&'static str>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let target = target.display().to_string();
        numbers.extend(
            target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned),
        );
    }
    let mut kinds = Vec::new();
    let tables = [
        ("tcp", "tcp"),
        ("tcp", "tcp6"),
        ("unix", "unix"),
        ("packet", "packet"),
        ("raw", "raw"),
        ("netlink", "netlink"),
    ];
    for (kind, table) in tables {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        kinds.extend(
            numbers.iter().filter(|number| text.split_whitespace().any(|word| word == *number)).map(|_| kind),
        );
    }
    Ok(kinds)
}

/// CVE-2021-41103: users of the host must not reach setuid programs in images and sessions; nor must serve.
#[tokio::test]
async fn nobody_else_enters_the_nodes_trees() -> Result<()> {
    let node = node()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    session.sh("cp /bin/busybox /tmp/setuid; chmod 4755 /tmp/setuid").await?;
    let trees = node.state_dir().join("node");
    let paths = ["layers", "sessions", "sessions/1/0"].map(|name| trees.join(name).display().to_string());
    let mut attack = vec!["read"];
    attack.extend(paths.iter().map(String::as_str));
    ensure!(probe_as(0, &attack)?.status.success(), "there is nothing to read, so this proves nothing");
    for uid in [65_534, node.serve_uid(), node.uid_base() + 65_536] {
        refusal(&probe_as(uid, &attack)?).with_context(|| format!("uid {uid}"))?;
    }
    let own = Path::new(&node.state_dir()).join("serve").display().to_string();
    refusal(&probe_as(65_534, &["read", &own])?)?;
    refusal(&probe_as(node.uid_base() + 65_536, &["read", &own])?)?;
    Ok(())
}
