//! A real node for one test: its own port, folders, cgroup parent and range of ids, ended and searched for leaks on drop.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};

use crate::leaks::Leaks;
use crate::wait::{self, PATIENCE};

/// Ids from here on belong to tests: below the ranges of a node with the default base.
const FIRST_UID_BASE: u32 = 0x1000_0000;
/// Ids of one test node: room for some hundred sessions.
const UIDS_PER_NODE: u32 = 65_536 * 420;
/// Nodes with ids of their own between the first base and the default one.
const PLACES: u32 = 26;

static NODES: AtomicU32 = AtomicU32::new(0);

/// What a test may choose about its node.
#[derive(Debug, Clone)]
pub struct Options {
    /// The content of sandlot.toml.
    pub config: String,
    /// Further options of `sandlot serve`.
    pub arguments: Vec<String>,
    /// Address to listen on; port 0 takes a free one.
    pub listen: String,
    /// Levels of the log, as in `SANDLOT_LOG`.
    pub log: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self { config: String::new(), arguments: Vec::new(), listen: "127.0.0.1:0".to_owned(), log: None }
    }
}

/// A running node.
#[derive(Debug)]
pub struct TestNode {
    folder: tempfile::TempDir,
    options: Options,
    serve: Option<Child>,
    address: SocketAddr,
    uid_base: u32,
    cgroup_parent: String,
    before: Leaks,
    /// Held to the end: nobody else's node may have these ids.
    _ids: Ids,
}

/// A range of host ids that this process holds by the lock on a file.
#[derive(Debug)]
pub struct Ids {
    place: u32,
    _lock: Flock<File>,
}

impl Ids {
    /// The first of them.
    pub fn first(&self) -> u32 {
        FIRST_UID_BASE + self.place * UIDS_PER_NODE
    }

    /// What the kernel holds of a node with these ids.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn leaks(&self, cgroup_parent: &str, folder: &Path) -> Result<Leaks> {
        Leaks::look(self.first(), UIDS_PER_NODE, cgroup_parent, folder)
    }

    /// The first free one; waits for one to become free.
    ///
    /// # Errors
    /// When none becomes free in time.
    pub fn take() -> Result<Self> {
        wait::until("a free range of ids", PATIENCE, || (0..PLACES).find_map(Self::try_take))
    }

    fn try_take(place: u32) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("sandlot-test-ids-{place}"));
        let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()?;
        Some(Self { place, _lock: lock })
    }
}

/// Folder of the binaries that this test run built: two above the test's own executable.
///
/// # Errors
/// When a binary is missing; the message says which command builds it.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().find(|p| p.join("sandlot-oci").is_file() || p.join("sandlot").is_file());
    let path = folder.map(|f| f.join(name)).filter(|p| p.is_file());
    path.with_context(|| format!("no binary `{name}` above {}: run `make dev` first", own.display()))
}

impl TestNode {
    /// Starts a node with the built-in playgrounds and waits until it listens.
    ///
    /// # Errors
    /// When not run as root, a binary is missing or the node does not come up; its log is part of the message.
    pub fn start() -> Result<Self> {
        Self::with(Options::default())
    }

    /// Starts a node with options.
    ///
    /// # Errors
    /// As [`TestNode::start`].
    pub fn with(options: Options) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "node tests start containers and must run as root");
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let folder = tempfile::Builder::new().prefix("sandlot-test-").tempdir()?;
        open_to_all(folder.path())?;
        let ids = Ids::take()?;
        let uid_base = ids.first();
        let cgroup_parent = format!("sandlot-test-{process}-{number}");
        let before = Leaks::look(uid_base, UIDS_PER_NODE, &cgroup_parent, folder.path())?;
        ensure!(before.is_empty(), "left by an earlier test: {before}");
        std::fs::write(folder.path().join("sandlot.toml"), &options.config)?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node =
            Self { folder, options, serve: None, address, uid_base, cgroup_parent, before, _ids: ids };
        node.start_serve()?;
        Ok(node)
    }

    /// The address that serve listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `https://ADDRESS`, for a node with a certificate.
    pub fn secure_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The run directory.
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// The first host id of the node.
    pub fn uid_base(&self) -> u32 {
        self.uid_base
    }

    /// The uid that serve runs as.
    pub fn serve_uid(&self) -> u32 {
        self.uid_base - 1
    }

    /// Name of the node's cgroup below the root of each hierarchy.
    pub fn cgroup_parent(&self) -> &str {
        &self.cgroup_parent
    }

    /// Process id of serve.
    ///
    /// # Errors
    /// When serve was ended by the test.
    pub fn serve_pid(&self) -> Result<u32> {
        self.serve.as_ref().map(Child::id).context("serve does not run")
    }

    /// Process id of the supervisor: the process that lives in the node's supervisor cgroup and is no guardian.
    ///
    /// # Errors
    /// When there is none.
    pub fn supervisor_pid(&self) -> Result<u32> {
        let mut client =
            sandlot_runtime::supervisor::client::Client::connect(&self.run_dir().join("supervisor.sock"))?;
        Ok(client.hello()?.pid)
    }

    /// What `sandlot serve` writes to its log, stdout included.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The options every `sandlot` command of this node takes.
    fn common_arguments(&self) -> Vec<String> {
        let path = |p: PathBuf| p.display().to_string();
        let pairs = [
            ("--state-dir", path(self.state_dir())),
            ("--run-dir", path(self.run_dir())),
            ("--config", path(self.folder.path().join("sandlot.toml"))),
            ("--cgroup-parent", self.cgroup_parent.clone()),
            ("--uid-base", self.uid_base.to_string()),
            // Making the large image takes minutes; a test that needs it imports it.
            ("--make-images", "tiny".to_owned()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// A `sandlot` command of this node, not started yet.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn command(&self, verb: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("sandlot")?);
        command.args(verb).args(self.common_arguments()).stdin(Stdio::null());
        Ok(command)
    }

    /// Starts serve (again) and waits for its line on stdout.
    ///
    /// # Errors
    /// When it ends or says nothing in time; its log is part of the message.
    #[expect(clippy::disallowed_methods, reason = "a test may spawn")]
    pub fn start_serve(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let listen =
            if self.address.port() == 0 { self.options.listen.clone() } else { self.address.to_string() };
        let mut child = self
            .command(&["serve"])?
            .args(["--listen", &listen])
            .args(&self.options.arguments)
            .env("SANDLOT_TEST_HOOKS", "1")
            .envs(self.options.log.map(|levels| ("SANDLOT_LOG", levels)))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("stdout of serve")?).lines();
        self.serve = Some(child);
        self.address =
            listening_address(lines).with_context(|| format!("serve did not come up:\n{}", self.log()))?;
        Ok(())
    }

    /// Other options of its own for the next start of serve.
    pub fn set_arguments(&mut self, arguments: Vec<String>) {
        self.options.arguments = arguments;
    }

    /// Sends a signal to serve and waits for its end.
    ///
    /// # Errors
    /// When serve does not run or does not end.
    pub fn end_serve(&mut self, signal: nix::sys::signal::Signal) -> Result<()> {
        let mut child = self.serve.take().context("serve does not run")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), signal)?;
        wait::until("the end of serve", PATIENCE, || child.try_wait().ok().flatten())?;
        Ok(())
    }

    /// Ends everything with `sandlot down` and looks for what stayed behind.
    ///
    /// # Errors
    /// When something did, or `down` failed.
    pub fn end(&mut self) -> Result<()> {
        if self.serve.is_some() {
            self.end_serve(nix::sys::signal::Signal::SIGTERM)?;
        }
        let down = self.command(&["down"])?.output()?;
        if !down.status.success() {
            bail!("sandlot down: {}{}", String::from_utf8_lossy(&down.stderr), self.log());
        }
        let mut last = self.before.clone();
        wait::until("everything to be gone", PATIENCE, || {
            last = self.leaks().ok()?;
            last.is_empty().then_some(())
        })
        .with_context(|| format!("left behind: {last}"))
    }

    /// What of this node exists in the kernel right now, serve and supervisor apart.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn leaks(&self) -> Result<Leaks> {
        Leaks::look(self.uid_base, UIDS_PER_NODE, &self.cgroup_parent, self.folder.path())
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        let ended = self.end();
        if std::thread::panicking() {
            eprintln!("log of the node:\n{}", self.log());
        } else if let Err(error) = ended {
            panic!("end of the node: {error:?}");
        }
    }
}

/// serve and the supervisor drop privileges and must still pass through the test's folder.
fn open_to_all(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}

/// Reads lines until the one that says where serve listens, and goes on reading in a thread so that serve never blocks.
fn listening_address(lines: std::io::Lines<BufReader<std::process::ChildStdout>>) -> Result<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(std::io::Result::ok) {
            // The receiver is gone once the address is known; the rest is only drained.
            drop(sender.send(line));
        }
    });
    loop {
        let line = receiver.recv_timeout(PATIENCE).context("no line `listening on` in time")?;
        let url = line.strip_prefix("listening on ");
        if let Some((_, address)) = url.and_then(|url| url.split_once("://")) {
            return Ok(address.trim().trim_end_matches('/').parse()?);
        }
    }
}
