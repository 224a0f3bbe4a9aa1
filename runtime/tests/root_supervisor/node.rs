//! A node of its own for a test: run and state folder, cgroup parent, ids; nothing of it is left when it is dropped.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandlot_runtime::cgroup::{Removal, Tree};
use sandlot_runtime::image::Recipe;
use sandlot_runtime::supervisor::client::{Client, ClientError, Welcome};
use sandlot_runtime::supervisor::name::{DiffId, ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};
use sandlot_runtime::supervisor::node::{NodeFile, id_ranges};
use sandlot_runtime::supervisor::protocol::{
    Command, EndReason, Event, ExitStatus, Limits, Login, Machine, Reply, Request, Winsize,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Away from a node that may run beside the tests, and from the ids of other tests.
const FIRST_BASE: u32 = 3_400_000_000;
/// Runs of these tests at the same time have ids of their own, most likely.
const RUNS: u32 = 60;
const SESSIONS: u32 = 200;

static NEXT: AtomicU32 = AtomicU32::new(0);
/// Nodes measure times and count processes: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A running node.
pub(crate) struct Node {
    pub(crate) folder: TempDir,
    pub(crate) file: NodeFile,
    pub(crate) guardian: Child,
    pub(crate) layer: DiffId,
    _alone: std::sync::MutexGuard<'static, ()>,
}

impl Node {
    /// A node with the small image unpacked.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same, with a node file that differs.
    pub(crate) fn start_with(change: impl FnOnce(&mut NodeFile)) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root: run them with sudo");
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut file = node_file(folder.path());
        change(&mut file);
        file.save(&folder.path().join("node.json")).unwrap();
        for name in ["sandlot-supervisor", "sandlot-oci"] {
            fs::copy(static_program(name), folder.path().join(name)).unwrap();
        }
        let guardian = guardian(folder.path());
        let (tar, layer) = tiny();
        let node = Self { folder, file, guardian, layer, _alone: alone };
        let mut client = node.client();
        let unpack = Request::UnpackLayer { layer: node.layer.clone() };
        client.call(unpack, &[tar.as_fd()]).unwrap();
        node
    }

    pub(crate) fn start_guardian(&self) -> Child {
        guardian(self.folder.path())
    }

    /// A greeted client, as soon as the supervisor is there.
    pub(crate) fn client(&self) -> Client {
        self.greeted().0
    }

    pub(crate) fn greeted(&self) -> (Client, Welcome) {
        let end = Instant::now() + PATIENCE;
        loop {
            let greeted = Client::connect(&self.file.socket_path()).and_then(|mut client| {
                let welcome = client.hello()?;
                Ok((client, welcome))
            });
            match greeted {
                Ok(greeted) => return greeted,
                Err(error) if Instant::now() > end => panic!("greet: {error}\n{}", self.log()),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn machine(&self, index: u8) -> Machine {
        Machine {
            index: InstanceIndex::try_from(index).unwrap(),
            hostname: format!("m{}", index + 1).try_into().unwrap(),
            layers: vec![self.layer.clone()],
            limits: Limits { memory_bytes: 64 << 20, cpu_millis: 1000, ..self.file.ceiling },
            login: Login::Root,
            no_new_privileges: false,
            user_namespaces: false,
            net_admin: false,
        }
    }

    pub(crate) fn start_session(&self, client: &mut Client, number: u32, instances: u8) {
        let reply = self.try_start(client, number, instances);
        assert_eq!(reply.unwrap_or_else(|error| panic!("{error}\n{}", self.log())), Reply::Done);
    }

    pub(crate) fn try_start(
        &self,
        client: &mut Client,
        number: u32,
        instances: u8,
    ) -> Result<Reply, ClientError> {
        client.call(self.start_request(number, instances, 600_000), &[]).map(|(reply, _)| reply)
    }

    pub(crate) fn start_request(&self, number: u32, instances: u8, life_ms: u64) -> Request {
        Request::StartSession {
            session: session(number),
            deadline_unix_ms: unix_ms() + life_ms,
            instances: (0..instances).map(|index| self.machine(index)).collect(),
            network: None,
        }
    }

    pub(crate) fn open_terminal(
        &self,
        client: &mut Client,
        number: u32,
        terminal: u32,
    ) -> (OwnedFd, OwnedFd) {
        let request = Request::OpenTerminal {
            session: session(number),
            instance: InstanceIndex::try_from(0).unwrap(),
            terminal: TerminalNumber(terminal),
            command: Command::default(),
            size: Winsize { rows: 24, cols: 80 },
        };
        let (reply, descriptors) =
            client.call(request, &[]).unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!(reply, Reply::Terminal);
        pair(descriptors)
    }

    pub(crate) fn exec(&self, client: &mut Client, number: u32, exec: u32, argv: &[&str]) -> Vec<OwnedFd> {
        let request = Request::Exec {
            session: session(number),
            instance: InstanceIndex::try_from(0).unwrap(),
            exec: ExecNumber(exec),
            command: Command {
                argv: argv.iter().map(|&word| word.to_owned()).collect(),
                ..Command::default()
            },
        };
        let (reply, descriptors) =
            client.call(request, &[]).unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!((reply, descriptors.len()), (Reply::Exec, 3));
        descriptors
    }

    /// Runs a program to its end: what it wrote, and how it ended.
    pub(crate) fn run(
        &self,
        client: &mut Client,
        number: u32,
        exec: u32,
        argv: &[&str],
    ) -> (String, ExitStatus) {
        let mut pipes = self.exec(client, number, exec, argv).into_iter();
        drop(pipes.next());
        let mut output = String::new();
        let mut stdout = File::from(pipes.next().unwrap());
        wait_readable(&stdout);
        stdout.read_to_string(&mut output).unwrap();
        let status = wait_for(client, |event| match event {
            Event::ExecEnded { exec: ended, status, .. } if ended.0 == exec => Some(*status),
            _ => None,
        });
        (output, status)
    }

    /// How many processes the node's sessions have, the dead that nobody waited for included.
    pub(crate) fn session_processes(&self) -> usize {
        self.list_session_processes().len()
    }

    fn list_session_processes(&self) -> Vec<String> {
        let ids = self.file.uid_base..self.file.uid_base + id_ranges(SESSIONS) * 65_536;
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let named = entries.filter_map(|entry| {
            entry.file_name().to_str()?.parse::<u32>().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_whitespace().next().map(str::to_owned)
            };
            let owner: u32 = field("Uid:")?.parse().ok()?;
            let name = format!("{} {} state {}", field("Pid:")?, field("Name:")?, field("State:")?);
            ids.contains(&owner)
                .then(|| format!("process {name} parent {}", field("PPid:").unwrap_or_default()))
        });
        named.collect()
    }

    /// Groups of a session's first instance, in whatever hierarchy.
    pub(crate) fn group_names(&self, number: u32) -> Vec<String> {
        let below = format!("{}/sessions/{number}/0", self.file.cgroup_parent);
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
        let roots = hierarchies.chain(["/sys/fs/cgroup".into()]);
        let groups = roots.filter_map(|root| fs::read_dir(root.join(&below)).ok()).flatten().flatten();
        let folders = groups.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Guardians, supervisors and workers of this node.
    pub(crate) fn processes(&self) -> Vec<String> {
        let program = self.folder.path().join("sandlot-supervisor");
        let program = program.to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let runs = |entry: &fs::DirEntry| {
            let path = fs::read_link(entry.path().join("exe")).ok()?;
            path.to_str()?.starts_with(program).then(|| entry.path().display().to_string())
        };
        entries.filter_map(|entry| runs(&entry)).collect()
    }

    /// What the supervisor holds open once it has nothing left to do.
    pub(crate) fn settled_descriptors(&self, pid: u32) -> Vec<String> {
        let mut held = self.supervisor_descriptors(pid);
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_millis(100) {
            std::thread::sleep(Duration::from_millis(5));
            let now = self.supervisor_descriptors(pid);
            if now != held {
                (held, since) = (now, Instant::now());
            }
        }
        held
    }

    fn supervisor_descriptors(&self, pid: u32) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let mut held: Vec<String> = entries
            .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string()))
            .collect();
        // The numbers of sockets and namespaces differ from one to the next.
        let bare = |text: &mut String| match text.split_once(":[") {
            Some((kind, number)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                *text = kind.to_owned()
            }
            _ => {}
        };
        held.iter_mut().for_each(bare);
        held.sort();
        held
    }

    /// Waits until the supervisor holds open what it held before.
    pub(crate) fn until_descriptors(&self, pid: u32, before: &[String]) {
        let end = Instant::now() + PATIENCE;
        while self.supervisor_descriptors(pid) != before {
            assert!(
                Instant::now() < end,
                "held: {:#?}\nbefore: {before:#?}",
                self.supervisor_descriptors(pid)
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn down(&mut self) -> Result<(), String> {
        let mut client = Client::connect(&self.file.socket_path()).map_err(|error| error.to_string())?;
        client.hello().map_err(|error| error.to_string())?;
        match client.call(Request::Down, &[]) {
            Ok(_) | Err(ClientError::Io { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        until("the guardian ends", || !matches!(self.guardian.try_wait(), Ok(None)));
        Ok(())
    }

    /// Whatever is left of the node, one line each.
    fn leaks(&self) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        while !self.processes().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut leaks = self.processes();
        leaks.extend(self.list_session_processes());
        let mine = self.folder.path().to_str().unwrap();
        for mounts in all_mounts() {
            leaks.extend(mounts.lines().filter(|line| line.contains(mine)).map(str::to_owned));
        }
        let sessions = self.file.sessions_dir();
        leaks.extend(fs::read_dir(sessions).unwrap().flatten().map(|entry| format!("{:?}", entry.path())));
        leaks.extend(self.file.socket_path().exists().then(|| "the socket".to_owned()));
        let removed = (0..500).find_map(|_| match Tree::remove(&self.file.cgroup_parent) {
            Ok(Removal::Gone) => Some(()),
            _ => {
                std::thread::sleep(Duration::from_millis(10));
                None
            }
        });
        leaks.extend(removed.is_none().then(|| format!("cgroup {}", self.file.cgroup_parent)));
        leaks
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let down = self.down();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
            let _tried = Tree::remove(&self.file.cgroup_parent);
            return;
        }
        down.unwrap_or_else(|error| panic!("down: {error}\n{}", self.log()));
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "left behind: {leaks:#?}\n{}", self.log());
    }
}

/// Mounts of every mount namespace that a process of this host has.
fn all_mounts() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let processes =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    processes.filter_map(|entry| fs::read_to_string(entry.path().join("mountinfo")).ok()).collect()
}

fn node_file(folder: &Path) -> NodeFile {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Nodes of one run follow each other, so they may share their ids.
    let uid_base = FIRST_BASE + std::process::id() % RUNS * (id_ranges(SESSIONS) + 1) * 65_536;
    NodeFile {
        node_id: format!("t{number}"),
        state_dir: folder.join("state"),
        run_dir: folder.join("run"),
        cgroup_parent: format!("sandlot-test-{}-s{number}", std::process::id()),
        uid_base,
        serve_uid: uid_base - 1,
        link_prefix: "st".into(),
        max_sessions: SESSIONS,
        ceiling: Limits {
            memory_bytes: 1 << 30,
            swap_bytes: 0,
            cpu_millis: 2000,
            pids: 512,
            disk_bytes: 64 << 20,
            io_bytes_per_second: None,
        },
        disk: "auto".into(),
        ready_disks: 0,
        ready_networks: 0,
        way: None,
        log_json: false,
        temporary: false,
        tls: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test starts the real program")]
fn guardian(folder: &Path) -> Child {
    let log = File::options().append(true).create(true).open(folder.join("log")).unwrap();
    Program::new(folder.join("sandlot-supervisor"))
        .arg("--node-file")
        .arg(folder.join("node.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn static_program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(program.exists(), "`{}` is missing: run `make oci` first", program.display());
    program
}

/// The small image as one layer.
pub(crate) fn tiny() -> (File, DiffId) {
    let mut tar = tempfile::tempfile().unwrap();
    Recipe::Tiny.make(&mut tar, &mut |_| {}).unwrap();
    tar.rewind().unwrap();
    let mut bytes = Vec::new();
    tar.read_to_end(&mut bytes).unwrap();
    tar.rewind().unwrap();
    let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (tar, DiffId::try_from(hex).unwrap())
}

pub(crate) fn session(number: u32) -> SessionNumber {
    SessionNumber::try_from(number).unwrap()
}

pub(crate) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

pub(crate) fn end(client: &mut Client, number: u32) {
    let request = Request::EndSession { session: session(number), reason: EndReason::Closed };
    assert_eq!(client.call(request, &[]).unwrap().0, Reply::Done);
    let request = Request::ForgetSession { session: session(number) };
    assert_eq!(client.call(request, &[]).unwrap().0, Reply::Done);
}

/// Waits for the first event that `wanted` takes.
pub(crate) fn wait_for<T>(client: &mut Client, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) =
            client.next_event(Duration::from_secs(1)).unwrap().and_then(|event| wanted(&event))
        {
            return found;
        }
    }
    panic!("no such event within {PATIENCE:?}");
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn wait_readable(file: &File) {
    let flags = nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    let blocking = nix::fcntl::OFlag::from_bits_retain(flags) - nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_SETFL(blocking)).unwrap();
}

fn pair(descriptors: Vec<OwnedFd>) -> (OwnedFd, OwnedFd) {
    let [one, other] = <[OwnedFd; 2]>::try_from(descriptors).unwrap();
    (one, other)
}

/// Types into a terminal and reads until the text appears; returns all that was read.
pub(crate) fn type_and_read(ptmx: &OwnedFd, input: &str, wanted: &str) -> String {
    nix::unistd::write(ptmx, input.as_bytes()).unwrap();
    read_until(ptmx, wanted)
}

pub(crate) fn read_until(ptmx: &OwnedFd, wanted: &str) -> String {
    let end = Instant::now() + PATIENCE;
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains(wanted) {
        assert!(Instant::now() < end, "`{wanted}` did not appear in {seen:?}");
        poll(&mut [PollFd::new(ptmx.as_fd(), PollFlags::POLLIN)], PollTimeout::from(100u8)).unwrap();
        match nix::unistd::read(ptmx, &mut buffer) {
            Ok(count) => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Err(Errno::EAGAIN) => {}
            Err(errno) => panic!("read a terminal: {errno}; so far {seen:?}"),
        }
    }
    seen
}
