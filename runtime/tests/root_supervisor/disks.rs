//! Disks made ahead.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use sandlot_runtime::supervisor::name::InstanceIndex;
use sandlot_runtime::supervisor::protocol::{Reply, Request};

use crate::node::{Node, end, session, until};

fn ready(node: &Node) -> Vec<u64> {
    let entries = fs::read_dir(node.file.state_dir.join("node/ready")).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.ino())).collect()
}

fn image(node: &Node, number: u32) -> PathBuf {
    node.file.state_dir.join(format!("node/sessions/{number}/0/disk.img"))
}

#[test]
fn sessions_take_disks_made_ahead() {
    let node = Node::start_with(|file| file.ready_disks = 2);
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    if !image(&node, 1).exists() {
        eprintln!("this host limits disks by project quota: none are made ahead");
        return end(&mut client, 1);
    }
    until("two disks are ready", || ready(&node).len() == 2);
    let made = ready(&node);
    let begun = std::time::Instant::now();
    node.start_session(&mut client, 2, 1);
    eprintln!("started in {:?}", begun.elapsed());
    assert!(made.contains(&fs::metadata(image(&node, 2)).unwrap().ino()));
    until("two disks are ready again", || ready(&node).len() == 2);
    // Three at once take both and make one.
    node.start_session(&mut client, 3, 3);
    let script = "echo kept > /root/note; stat -c %u:%g /; df -m / | tail -1 | awk '{print ($2 < 65)}'";
    let (output, _) = node.run(&mut client, 2, 1, &["sh", "-c", script]);
    assert_eq!(output, "0:0\n1\n");
    let reboot =
        Request::RebootInstance { session: session(2), instance: InstanceIndex::try_from(0).unwrap() };
    assert_eq!(client.call(reboot, &[]).unwrap().0, Reply::Done);
    let (output, _) = node.run(&mut client, 2, 2, &["cat", "/root/note"]);
    assert_eq!(output, "kept\n");
    for number in 1..=3 {
        end(&mut client, number);
    }
    let folder = node.file.state_dir.join("node/ready");
    until("two disks are ready at the end", || ready(&node).len() == 2);
    assert!(folder.exists());
}
