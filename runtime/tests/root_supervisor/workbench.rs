//! The image `workbench` in a real instance: what an ordinary user expects of it.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::path::PathBuf;

use sandlot_runtime::supervisor::name::DiffId;
use sandlot_runtime::supervisor::protocol::{Login, Request};
use sha2::{Digest, Sha256};

use crate::node::{Node, end, type_and_read};

/// Made by `make test-images`, or wherever the environment says.
fn archive() -> Option<File> {
    let path = std::env::var_os("SANDLOT_WORKBENCH_TAR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/images/workbench.tar")),
        PathBuf::from,
    );
    File::open(path).ok()
}

fn diff_id(tar: &mut File) -> DiffId {
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let length = tar.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
    }
    tar.rewind().unwrap();
    let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.try_into().unwrap()
}

#[test]
fn workbench_has_what_a_learner_expects() {
    let Some(mut tar) = archive() else {
        eprintln!("there is no target/images/workbench.tar (make test-images): nothing is tried");
        return;
    };
    let mut node = Node::start();
    node.layer = diff_id(&mut tar);
    let mut client = node.client();
    let begun = std::time::Instant::now();
    client.call(Request::UnpackLayer { layer: node.layer.clone() }, &[tar.as_fd()]).unwrap();
    eprintln!("unpacked in {:?}", begun.elapsed());
    let mut request = node.start_request(1, 1, 600_000);
    if let Request::StartSession { instances, .. } = &mut request {
        instances[0].login = Login::Learner;
        instances[0].limits.memory_bytes = 256 << 20;
    }
    client.call(request, &[]).unwrap();
    for (number, (script, expected)) in [
        ("id -un; id -u; pwd", "learner\n1000\n/home/learner\n"),
        ("sudo id -un", "root\n"),
        ("sudo -u learner id -u", "1000\n"),
        ("su -c true 2>&1 | head -c1; stat -c %a /usr/bin/sudo", "P4755\n"),
        ("ping -c1 -W1 127.0.0.1 >/dev/null 2>&1; echo $?", "0\n"),
        ("locale charmap 2>/dev/null || echo $LANG", "UTF-8\n"),
        ("python3 -c 'print(6*7)'; jq -n 1+1; echo hi | less", "42\n2\nhi\n"),
        ("git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --oneline | wc -l", "1\n"),
        ("for p in vim nano curl ip ps bash; do command -v $p >/dev/null || echo no $p; done; echo end", "end\n"),
        ("sudo sh -c 'apt-get --version >/dev/null && dpkg -l | grep -c ^ii >/dev/null && echo apt'", "apt\n"),
        ("bash -ic 'type _init_completion >/dev/null && complete -p git >/dev/null 2>&1 || type __load_completion _completion_loader 2>/dev/null | head -1' 2>/dev/null | grep -c function", "1\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u32::try_from(number).unwrap() + 1;
        let (output, status) = node.run(&mut client, 1, number, &["bash", "-c", script]);
        assert_eq!((output.as_str(), status.code.is_some()), (expected, true), "{script}");
    }
    let (ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    let screen = type_and_read(&ptmx, "echo ${EDITOR}-$((1 + 1))\n", "nano-2");
    assert!(screen.contains("learner@m1") && screen.contains("\u{1b}[1;32m"), "{screen:?}");
    end(&mut client, 1);
}
