//! The files of the site's TLS, handed to a serve that may not read them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandlot_runtime::supervisor::client::ClientError;
use sandlot_runtime::supervisor::node::{NodeFile, TlsFiles};
use sandlot_runtime::supervisor::protocol::{RefusalKind, Reply, Request};

use crate::node::Node;

fn refusal(node: &Node) -> RefusalKind {
    match node.client().call(Request::TlsFiles, &[]) {
        Err(ClientError::Refused(refusal)) => refusal.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_files_come_open_and_only_if_the_node_file_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    fs::write(file("certificate"), "c").unwrap();
    fs::write(file("newest"), "k").unwrap();
    fs::set_permissions(file("newest"), fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("newest", file("key")).unwrap();
    let files = TlsFiles { certificate: file("certificate"), key: file("key") };
    let node = Node::start();
    assert_eq!(refusal(&node), RefusalKind::Unknown);
    let told = NodeFile { tls: Some(files.clone()), ..node.file.clone() };
    told.save(&node.folder.path().join("node.json")).unwrap();
    let (reply, descriptors) = node.client().call(Request::TlsFiles, &[]).unwrap();
    assert_eq!(reply, Reply::TlsFiles(files));
    let texts = descriptors.into_iter().map(|descriptor| {
        let mut text = String::new();
        fs::File::from(descriptor).read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["c", "k"]);

    fs::remove_file(file("newest")).unwrap();
    assert_eq!(refusal(&node), RefusalKind::Failed);
    mkfifo(&file("newest"), Mode::from_bits_truncate(0o600)).unwrap();
    assert_eq!(refusal(&node), RefusalKind::Failed);
}
