//! The layer map of the architecture as law: reads the `use` lines and paths of every source file and names the offender.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers of the server from the top down; a module may import from its own layer's other modules only below the edge,
/// and from every layer further down.
const SERVER_LAYERS: &[&[&str]] = &[
    &["main", "cli", "serve"],
    &["http", "ws", "docker", "proxy", "ssh"],
    // The state that the edges share, and how a request is read for access decisions.
    &["app"],
    &["session", "auth", "lab", "class", "cluster"],
    &["instance", "engine", "terminal", "dns", "image", "build", "registry"],
    &["db", "supervisor", "blocking"],
    &["id", "error", "config", "clock", "shutdown", "metrics", "readiness", "tls"],
];
/// The layer whose modules never import each other.
const EDGE: usize = 1;

/// A crate, and the only places where it may be named.
const CRATES: &[(&str, &[&str])] = &[
    (
        "axum",
        &[
            "server/src/http",
            "server/src/ws",
            "server/src/app.rs",
            "server/src/docker",
            "server/src/proxy",
            "server/src/serve",
        ],
    ),
    ("sqlx", &["server/src/db", "server/tests/query_data.rs"]),
    ("libc", &["runtime/src/sys"]),
    ("tokio", &["server/", "tests/"]),
    ("portable_pty", &["tests/", "server/src/terminal", "server/src/supervisor", "server/src/instance"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The lines of a file that are code, with their numbers; comments apart.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().enumerate().map(|(n, l)| (n + 1, l.trim().to_owned()));
    lines.filter(|(_, l)| !l.starts_with("//")).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Whether the line names the crate as a path's first part.
fn names(line: &str, krate: &str) -> bool {
    let starts =
        [format!("use {krate}::"), format!("use {krate};"), format!(" {krate}::"), format!("({krate}::")];
    starts.iter().any(|s| line.contains(s.as_str())) || line.starts_with(&format!("{krate}::"))
}

#[test]
fn crates_stay_where_they_belong() {
    let mut offenders = Vec::new();
    for path in ["runtime", "server", "tests"].iter().flat_map(|f| sources(&root().join(f))) {
        let place = relative(&path);
        for (line, text) in code(&path) {
            for (krate, homes) in CRATES {
                if names(&text, krate) && !homes.iter().any(|home| place.starts_with(home)) {
                    offenders.push(format!("{place}:{line} names `{krate}`, which belongs in {homes:?}"));
                }
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn unsafe_stays_in_sys() {
    let mut offenders = Vec::new();
    for path in ["runtime", "server", "tests"].iter().flat_map(|f| sources(&root().join(f))) {
        let place = relative(&path);
        let home = place.starts_with("runtime/src/sys") || place == "tests/tests/layering.rs";
        let lines = code(&path)
            .into_iter()
            .filter(|(_, l)| l.contains("unsafe {") || l.contains("unsafe fn") || l.contains("unsafe impl"));
        offenders.extend(lines.filter(|_| !home).map(|(n, l)| format!("{place}:{n} {l}")));
    }
    assert!(offenders.is_empty(), "unsafe code outside runtime/src/sys:\n{}", offenders.join("\n"));
}

fn layer_of(module: &str) -> Option<usize> {
    SERVER_LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The top module of a server source file: `server/src/http/pages.rs` -> `http`.
fn module_of(place: &str) -> Option<String> {
    let below = place.strip_prefix("server/src/")?;
    Some(below.split('/').next()?.trim_end_matches(".rs").to_owned())
}

/// Top modules that a line imports by `crate::NAME`.
fn imports(line: &str) -> Vec<String> {
    let parts = line.split("crate::").skip(1);
    let names = parts.map(|p| p.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
    names.filter(|n| !n.is_empty()).collect()
}

#[test]
fn server_imports_point_downwards() {
    let mut offenders = Vec::new();
    for path in sources(&root().join("server/src")) {
        let place = relative(&path);
        let Some(own) = module_of(&place).filter(|m| m != "lib") else { continue };
        let Some(layer) = layer_of(&own) else {
            offenders.push(format!("{place}: module `{own}` stands in no layer"));
            continue;
        };
        for (line, text) in code(&path) {
            for import in imports(&text).iter().filter(|i| **i != own) {
                let Some(below) = layer_of(import) else { continue };
                if below < layer || (layer == EDGE && below == EDGE) {
                    offenders
                        .push(format!("{place}:{line} imports `{import}` from a layer above or beside it"));
                }
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}
