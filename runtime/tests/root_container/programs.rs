//! What programs find inside.

use sandlot_runtime::supervisor::protocol::{Command, Login, Winsize};

use crate::Test;
use crate::fixture::{Draft, Machine};

pub(crate) const TESTS: &[Test] = &[
    ("a_program_finds_its_own_machine", a_program_finds_its_own_machine),
    ("the_reaper_is_pid_1_and_small", the_reaper_is_pid_1_and_small),
    ("the_reaper_takes_orphans_and_ends_when_told", the_reaper_takes_orphans_and_ends_when_told),
    ("a_shell_runs_on_its_own_terminal", a_shell_runs_on_its_own_terminal),
    ("a_login_shell_starts_at_home", a_login_shell_starts_at_home),
    ("names_are_written", names_are_written),
    ("docker_settings_hold", docker_settings_hold),
    ("signals_are_reset", signals_are_reset),
    ("the_learner_is_made", the_learner_is_made),
    ("users_are_found_inside", users_are_found_inside),
    ("the_environment_can_be_changed", the_environment_can_be_changed),
    ("a_working_directory_can_be_given", a_working_directory_can_be_given),
    ("exit_codes_and_signals_arrive", exit_codes_and_signals_arrive),
    ("input_reaches_a_program", input_reaches_a_program),
    ("many_layers_fit", many_layers_fit),
];

fn a_program_finds_its_own_machine() {
    let machine = Machine::new();
    let output = machine
        .sh("id -u; hostname; set -- /proc/[0-9]*; echo $#; cat /proc/self/uid_map; ls /sys/class/net");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0], "0", "{output:?}");
    assert_eq!(lines[1], "m1");
    // Pid 1 and the shell.
    assert_eq!(lines[2], "2");
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["0", "3000065536", "65536"]);
    assert_eq!(lines[4..], ["lo"]);
    assert_eq!(machine.sh("ping -c 1 -W 1 127.0.0.1 >/dev/null").code, 0, "the loopback link is up");
}

fn the_reaper_is_pid_1_and_small() {
    let machine = Machine::new();
    let output = machine
        .sh("cat /proc/1/comm; grep -E '^(RssAnon|Threads|NoNewPrivs|Seccomp|CapEff|CapBnd)' /proc/1/status");
    let field = |name: &str| {
        let line = output.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert!(output.stdout.starts_with("sandlot-reaper\n"), "{output:?}");
    assert!(field("RssAnon").parse::<u32>().unwrap() < 512, "{output:?}");
    assert_eq!([field("Threads:"), field("NoNewPrivs:"), field("Seccomp:")], ["1", "0", "2"]);
    assert_eq!([field("CapEff:"), field("CapBnd:")], ["00000000a80425fb", "00000000a80425fb"]);
    assert_eq!(
        machine.sh("ls /proc/1/fd | wc -l; for fd in /proc/1/fd/*; do readlink $fd; done").stdout,
        "3\n/dev/null\n/dev/null\n/dev/null\n"
    );
}

fn the_reaper_takes_orphans_and_ends_when_told() {
    let machine = Machine::new();
    // The orphan has ended when its pipe is at its end, which is when this returns.
    machine.sh("(sleep 0.01 &) ; true");
    let zombies =
        machine.sh("until ! grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done; echo none");
    assert_eq!(zombies.stdout, "none\n");
    let sleeper = machine.join(&command(&["sleep", "1000"]), None).unwrap();
    machine.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(crate::fixture::wait(std::os::fd::AsFd::as_fd(&sleeper.pidfd)), 128 + 15);
    assert_eq!(machine.wait(), 0);
}

fn a_shell_runs_on_its_own_terminal() {
    let machine = Machine::new();
    let mut terminal = machine.open_terminal(Winsize { rows: 30, cols: 90 });
    terminal.type_text("tty; stty size; echo $0 $TERM $COLORTERM $LANG; ls -ln /dev/pts/0 | cut -c1-10\n");
    let output = terminal.read_until("crw--w----");
    for expected in ["/dev/pts/0", "30 90", "-sh xterm-256color truecolor C.UTF-8"] {
        assert!(output.contains(expected), "no `{expected}` in {output}");
    }
    terminal.type_text("exit 7\n");
    assert_eq!(terminal.wait(), 7);
}

fn a_login_shell_starts_at_home() {
    let machine = Draft::new().describe(|machine| machine.login = Login::Learner).start().unwrap();
    let mut terminal = machine.open_terminal(Winsize { rows: 24, cols: 80 });
    terminal.type_text("pwd; id; ls -ln $(tty) | tr -s ' ' | cut -d' ' -f3\n");
    let output = terminal.read_until("\n1000\r");
    assert!(output.contains("/home/learner") && output.contains("uid=1000(learner)"), "{output}");
}

fn names_are_written() {
    let machine = Machine::new();
    assert_eq!(machine.sh("cat /etc/hostname").stdout, "m1\n");
    assert!(machine.sh("cat /etc/hosts").stdout.contains("127.0.1.1\tm1\n"));
    assert_eq!(machine.sh("test -f /etc/resolv.conf").code, 0);
    assert_eq!(
        machine.sh("echo 1 >/etc/hosts && cat /etc/hosts").stdout,
        "1\n",
        "its own user may change them"
    );
}

fn docker_settings_hold() {
    let machine = Machine::new();
    let read = |path: &str| machine.sh(&format!("cat /proc/sys/net/ipv4/{path}")).stdout;
    assert_eq!(read("ip_unprivileged_port_start"), "0\n");
    assert_eq!(read("ping_group_range"), "0\t65535\n");
    let limits = machine.sh("ulimit -c; ulimit -n; ulimit -Hn; umask").stdout;
    let limits: Vec<&str> = limits.lines().collect();
    assert_eq!([limits[0], limits[1], limits[3]], ["0", "1024", "0022"]);
    assert!(limits[2].parse::<u64>().is_ok_and(|hard| (1024..=1_048_576).contains(&hard)), "{limits:?}");
    let mounts = machine
        .sh("grep -E ' /(proc|sys|dev/pts|dev/shm|dev/mqueue|sys/fs/cgroup) ' /proc/self/mounts | wc -l");
    assert_eq!(mounts.stdout, "6\n");
}

fn signals_are_reset() {
    let machine = Machine::new();
    let status = machine.run(&["cat", "/proc/self/status"]).stdout;
    assert!(status.contains("SigIgn:\t0000000000000000"), "{status}");
    assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
}

fn the_learner_is_made() {
    let draft = Draft::new().describe(|machine| machine.login = Login::Learner);
    let machine =
        draft.image(|tree| std::fs::create_dir(tree.join("etc/sudoers.d")).unwrap()).start().unwrap();
    let output =
        machine.sh("id; pwd; echo $USER $HOME; touch ~/file; grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status");
    assert!(output.stdout.starts_with("uid=1000(learner) gid=1000(learner)\n"), "{output:?}");
    assert!(output.stdout.contains("\n/home/learner\nlearner /home/learner\n"), "{output:?}");
    assert!(
        output
            .stdout
            .contains("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb")
    );
    assert_eq!(output.stderr, "");
    let root = machine.run_as(
        &["sh", "-c", "ls -ln /etc/sudoers.d/learner | cut -c1-10; tail -n1 /etc/passwd"],
        Some("root"),
    );
    assert_eq!(root.stdout, "-r--r-----\nlearner:x:1000:1000::/home/learner:/bin/sh\n");
}

fn users_are_found_inside() {
    let machine = Machine::new();
    let id = |user: &str| machine.run_as(&["id"], Some(user)).stdout;
    assert_eq!(id("0"), "uid=0(root) gid=0(root)\n");
    assert_eq!(id("4711:12"), "uid=4711 gid=12\n");
    assert_eq!(id("root:5"), "uid=0(root) gid=5\n");
    let unknown = Command { user: Some("nobody-here".to_owned()), ..command(&["id"]) };
    let error = machine.exec(&unknown).unwrap_err();
    assert_eq!(error, "error: find the user: find user `nobody-here`: no such file or directory");
    let unmapped = Command { user: Some("70000".to_owned()), ..command(&["id"]) };
    assert!(machine.exec(&unmapped).unwrap_err().contains("find the user"));
}

fn the_environment_can_be_changed() {
    let machine = Machine::new();
    let env = vec![("HOME".to_owned(), "/tmp".to_owned()), ("EXTRA".to_owned(), "a=b c".to_owned())];
    let output = machine
        .exec(&Command { env, ..command(&["sh", "-c", "echo $HOME-$EXTRA-$HOSTNAME-$USER"]) })
        .unwrap();
    assert_eq!(output.stdout, "/tmp-a=b c-m1-root\n");
    let bad = Command { env: vec![("A=B".to_owned(), String::new())], ..command(&["true"]) };
    assert!(machine.exec(&bad).unwrap_err().contains("set variable `A=B`: invalid argument"));
}

fn a_working_directory_can_be_given() {
    let machine = Machine::new();
    let at = |cwd: &str| machine.exec(&Command { cwd: Some(cwd.to_owned()), ..command(&["pwd"]) });
    assert_eq!(at("/tmp").unwrap().stdout, "/tmp\n");
    assert_eq!(
        at("/nowhere").unwrap_err(),
        "error: enter the working directory: enter `/nowhere`: no such file or directory"
    );
}

fn exit_codes_and_signals_arrive() {
    let machine = Machine::new();
    assert_eq!(machine.sh("exit 42").code, 42);
    assert_eq!(machine.sh("kill -KILL $$").code, 128 + 9);
    let absent = machine.exec(&command(&["no-such-program"])).unwrap_err();
    assert_eq!(absent, "error: exec the program: execute `no-such-program`: no such file or directory");
    let refused = machine.exec(&command(&["/etc/passwd"])).unwrap_err();
    assert_eq!(refused, "error: exec the program: execute `/etc/passwd`: permission denied");
}

fn input_reaches_a_program() {
    let machine = Machine::new();
    let output = machine.exec_with_input(
        &command(&["sh", "-c", "cat; cat /dev/stdin; echo err >/dev/stderr"]),
        b"bytes \xff\n",
    );
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("bytes \u{fffd}\n", "err\n"));
}

fn many_layers_fit() {
    let draft = Draft::new();
    let layers = draft.add_empty_layers(126);
    let machine = draft.describe(|machine| machine.layers.extend(layers)).start().unwrap();
    assert_eq!(machine.machine.layers.len(), 127);
    assert_eq!(machine.sh("ls /marks | wc -l").stdout, "126\n");
}

fn command(argv: &[&str]) -> Command {
    Command { argv: argv.iter().map(|argument| (*argument).to_owned()).collect(), ..Command::default() }
}
