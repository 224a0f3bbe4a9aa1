//! The folder `tests/dockerfiles`: each case is built by us and by buildah, and must come to the same configuration and
//! the same files. A case has a Dockerfile, its context, and perhaps:
//!
//! - `options`: arguments of both programs, one a line; paths count from the top of the repository
//! - `Dockerfile.buildah`: the same in words that buildah (Debian's 1.28) knows, with the reason

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sandlot_runtime::archive::reader::{Member, Reader};
use sandlot_runtime::image::Digest;
use serde_json::{Map, Value};

use crate::fixture::{Ground, names, text};

/// Parts of a configuration that a Dockerfile sets.
const CONFIGURED: [&str; 12] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];
/// What a builder puts there for its own use of the container.
const OF_BUILDERS: [&str; 4] = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv"];

#[test]
fn dockerfiles_come_to_what_buildah_makes_of_them() {
    let bench = Bench::new();
    let cases = root().join("tests/dockerfiles");
    let wanted = std::env::var("SANDLOT_DOCKERFILE").unwrap_or_default();
    let mut failures = Vec::new();
    for case in names(&cases).iter().filter(|case| case.starts_with(&wanted)) {
        if let Err(error) = bench.compare(&cases.join(case)) {
            failures.push(format!("{case}: {error}"));
        }
    }
    assert!(failures.is_empty(), "{} cases differ:\n{}", failures.len(), failures.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Both builders with the image `tiny`.
struct Bench {
    ground: Ground,
    /// File that lets buildah read images.
    policy: String,
}

impl Bench {
    fn new() -> Self {
        let ground = Ground::new();
        ground.image(&["make", "tiny"]);
        let tar = ground.path("tiny.tar");
        ground.image(&["save", "-o", text(&tar), "tiny"]);
        std::fs::create_dir(ground.path("buildah-tmp")).unwrap();
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        std::fs::write(ground.path("policy.json"), policy).unwrap();
        let policy = text(&ground.path("policy.json")).to_owned();
        let bench = Self { ground, policy };
        bench
            .buildah(&[
                "pull",
                "--signature-policy",
                &bench.policy,
                &format!("docker-archive:{}", text(&tar)),
            ])
            .unwrap();
        bench
    }

    fn buildah(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new("buildah");
        command
            .arg("--root")
            .arg(self.ground.path("buildah"))
            .arg("--runroot")
            .arg(self.ground.path("buildah-run"));
        // Its caches are there, too, and would be left to the next test.
        command.env("TMPDIR", self.ground.path("buildah-tmp"));
        run(command.args(["--storage-driver", "vfs"]).args(arguments))
    }

    fn compare(&self, case: &Path) -> Result<(), String> {
        let options = std::fs::read_to_string(case.join("options")).unwrap_or_default();
        let options: Vec<&str> = options.lines().collect();
        let own = ["-t", "ours", "-f", text(&case.join("Dockerfile"))].map(str::to_owned);
        let own: Vec<&str> = own.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let mut command = self.ground.command(&[&["build"], own.as_slice(), &[text(case)]].concat());
        run(&mut command).map_err(|error| format!("we fail: {error}"))?;
        self.build_theirs(case, &options).map_err(|error| format!("buildah fails: {error}"))?;
        let configs = ["ours", "theirs"].map(|image| self.configuration(image));
        let trees = ["ours", "theirs"].map(|image| self.tree(image));
        let differences: Vec<String> = differences(&configs[0], &configs[1])
            .into_iter()
            .chain(differences(&trees[0], &trees[1]))
            .collect();
        if differences.is_empty() { Ok(()) } else { Err(differences.join("\n    ")) }
    }

    fn build_theirs(&self, case: &Path, options: &[&str]) -> Result<(), String> {
        let translated = case.join("Dockerfile.buildah");
        let dockerfile = if translated.exists() { translated } else { case.join("Dockerfile") };
        let fixed =
            ["bud", "--signature-policy", &self.policy, "--isolation", "chroot", "--format", "docker"];
        let quiet = ["--pull-never", "--identity-label=false", "-t", "theirs", "-f", text(&dockerfile)];
        self.buildah(&[&fixed[..], &quiet, options, &[text(case)]].concat())?;
        let archive = self.ground.path("theirs.tar");
        drop(std::fs::remove_file(&archive));
        let target = format!("docker-archive:{}:theirs:latest", text(&archive));
        self.buildah(&["push", "--signature-policy", &self.policy, "theirs", &target])?;
        self.ground.image(&["load", "-i", text(&archive)]);
        Ok(())
    }

    fn configuration(&self, image: &str) -> BTreeMap<String, String> {
        let inspected = self.ground.inspect(image);
        let empty = Map::new();
        let config = inspected["Config"].as_object().unwrap_or(&empty);
        let set = CONFIGURED.iter().filter_map(|key| Some(((*key).to_owned(), config.get(*key)?)));
        // The folder to start in is the root, also when nobody says so.
        let is_said = |key: &str, value: &Value| !(is_empty(value) || key == "WorkingDir" && value == "/");
        set.filter(|(key, value)| is_said(key, value)).map(|(key, value)| (key, value.to_string())).collect()
    }

    /// What stands for each path: kind, owner, permissions and content.
    fn tree(&self, image: &str) -> BTreeMap<String, String> {
        let tar = self.ground.command(&["export", image]).output().unwrap().stdout;
        let mut reader = Reader::new(tar.as_slice());
        let mut tree: BTreeMap<String, String> = BTreeMap::new();
        while let Some(member) = reader.next_member().unwrap() {
            let mut content = Vec::new();
            reader.content().read_to_end(&mut content).unwrap();
            let path = String::from_utf8_lossy(&member.path).trim_matches('/').to_owned();
            let described = match member.kind {
                // Another name of the same file.
                tar::EntryType::Link => tree[String::from_utf8_lossy(&member.link).as_ref()].clone(),
                _ => describe(&member, &content),
            };
            tree.insert(path, described);
        }
        tree.retain(|path, _| !OF_BUILDERS.contains(&path.as_str()));
        tree
    }
}

fn describe(member: &Member, content: &[u8]) -> String {
    let link = String::from_utf8_lossy(&member.link);
    let digest = Digest::of(content).hex()[..12].to_owned();
    let shown = String::from_utf8_lossy(&content[..content.len().min(300)]);
    // A link has no permissions.
    let mode = if member.kind.is_symlink() { 0 } else { member.mode };
    let content = if content.is_empty() { String::new() } else { format!(" {digest} {shown:?}") };
    format!("{:?} {mode:o} {}:{} {link}{content}", member.kind, member.uid, member.gid)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn differences(ours: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = keys.into_iter().filter(|key| ours.get(*key) != theirs.get(*key));
    let show = |side: Option<&String>| side.cloned().unwrap_or_else(|| "nothing".into());
    differ
        .map(|key| format!("{key}: ours {}; theirs {}", show(ours.get(key)), show(theirs.get(key))))
        .collect()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.current_dir(root()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error} (Debian: apt install buildah)"))?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(error) }
}
