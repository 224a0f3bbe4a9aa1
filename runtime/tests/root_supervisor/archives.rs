//! Files that go into an instance and come out of it, and what it has changed as a layer.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;

use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::name::InstanceIndex;
use sandlot_runtime::supervisor::protocol::{ArchiveOptions, PathStat, RefusalKind, Reply, Request};
use tar::{Archive, Builder, EntryType, Header};

use crate::node::{Node, session};

/// Owners as in the archive.
pub(crate) const AS_IT_IS: ArchiveOptions =
    ArchiveOptions { no_overwrite_dir_non_dir: false, copy_uid_gid: true, make_parents: false };

/// One entry of a tar as a line.
pub(crate) fn lines(tar: &mut File) -> Vec<String> {
    tar.rewind().unwrap();
    let mut archive = Archive::new(tar);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let line = |mut entry: tar::Entry<'_, &mut File>| {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type().as_byte() as char;
        let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        let header = entry.header();
        let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let content = String::from_utf8_lossy(&content);
        format!("{kind} {mode:o} {uid}:{gid} {name} {}{content:?}", link.unwrap_or_default())
    };
    entries.map(line).collect()
}

pub(crate) fn add(builder: &mut Builder<File>, kind: EntryType, name: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o640);
    header.set_uid(1234);
    header.set_gid(42);
    header.set_mtime(1_700_000_000);
    match kind {
        EntryType::Symlink | EntryType::Link => {
            header.set_size(0);
            builder.append_link(&mut header, name, Path::new(std::str::from_utf8(content).unwrap())).unwrap();
        }
        _ => {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content).unwrap();
        }
    }
}

pub(crate) fn tar(fill: impl FnOnce(&mut Builder<File>)) -> File {
    let mut builder = Builder::new(tempfile::tempfile().unwrap());
    fill(&mut builder);
    let mut file = builder.into_inner().unwrap();
    file.flush().unwrap();
    file.rewind().unwrap();
    file
}

fn first() -> InstanceIndex {
    InstanceIndex::try_from(0).unwrap()
}

fn put(client: &mut Client, path: &str, options: ArchiveOptions, tar: &File) -> Result<Reply, ClientError> {
    let request =
        Request::PutArchive { session: session(1), instance: first(), path: path.to_owned(), options };
    client.call(request, &[tar.as_fd()]).map(|(reply, _)| reply)
}

fn stat(client: &mut Client, path: &str) -> Result<PathStat, ClientError> {
    let request = Request::StatPath { session: session(1), instance: first(), path: path.to_owned() };
    match client.call(request, &[])?.0 {
        Reply::PathStat(found) => Ok(found),
        other => panic!("{other:?}"),
    }
}

fn get(client: &mut Client, path: &str) -> (PathStat, File) {
    let file = tempfile::tempfile().unwrap();
    let request = Request::GetArchive { session: session(1), instance: first(), path: path.to_owned() };
    match client.call(request, &[file.as_fd()]).unwrap().0 {
        Reply::PathStat(found) => (found, file),
        other => panic!("{other:?}"),
    }
}

fn diff(client: &mut Client, clamp_unix: Option<i64>) -> File {
    let file = tempfile::tempfile().unwrap();
    let request = Request::Diff { session: session(1), instance: first(), clamp_unix };
    assert_eq!(client.call(request, &[file.as_fd()]).unwrap().0, Reply::Done);
    file
}

pub(crate) fn kind(error: &ClientError) -> RefusalKind {
    match error {
        ClientError::Refused(refusal) => refusal.kind,
        other => panic!("{other}"),
    }
}

#[test]
fn a_fresh_instance_has_changed_nothing() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    assert_eq!(lines(&mut diff(&mut client, None)), Vec::<String>::new());
}

#[test]
fn what_has_changed_is_a_layer() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let script = "set -e; cd /; mkdir -m 700 new; echo a > new/b; ln new/b new/c; ln -s b new/d; chown 7:8 new/b; \
                  mkfifo new/e; rm /bin/vi; rm -r /root; mkdir /root; touch -d @5000000000 new/late";
    let (output, status) = node.run(&mut client, 1, 1, &["sh", "-c", &format!("({script}) 2>&1")]);
    assert_eq!((output.as_str(), status.code), ("", Some(0)));
    let mut layer = diff(&mut client, Some(1_000_000_000));
    let found = lines(&mut layer);
    for line in [
        "0 0 0:0 bin/.wh.vi \"\"",
        "5 700 0:0 new/ \"\"",
        "0 644 7:8 new/b \"a\\n\"",
        "1 644 7:8 new/c new/b\"\"",
        "2 777 0:0 new/d b\"\"",
        "6 644 0:0 new/e \"\"",
        "5 755 0:0 root/ \"\"",
        "0 0 0:0 root/.wh..wh..opq \"\"",
    ] {
        assert!(found.iter().any(|there| there == line), "{line} is not in {found:#?}");
    }
    assert!(!found.iter().any(|line| line.contains("etc/") || line.contains("proc")), "{found:#?}");
    let bytes = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert!(bytes(&mut layer) == bytes(&mut diff(&mut client, Some(1_000_000_000))));
}

#[test]
fn an_archive_goes_in() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    node.run(&mut client, 1, 1, &["sh", "-c", "mkdir /data; ln -s /etc /data/out; echo old > /data/old"]);
    let files = tar(|builder| {
        add(builder, EntryType::Directory, "dir/", b"");
        add(builder, EntryType::Regular, "dir/file", b"content");
        add(builder, EntryType::Regular, "missing/parents/file", b"deep");
        add(builder, EntryType::Symlink, "link", b"dir/file");
        add(builder, EntryType::Link, "hard", b"dir/file");
        add(builder, EntryType::Regular, "out/inside", b"followed inside");
        add(builder, EntryType::Regular, "old", b"new");
    });
    assert_eq!(put(&mut client, "/data", AS_IT_IS, &files).unwrap(), Reply::Done);
    let show =
        "cd /data; cat dir/file link missing/parents/file /etc/inside old; stat -c %u:%g:%a:%h:%Y hard";
    let (output, _) = node.run(&mut client, 1, 2, &["sh", "-c", show]);
    assert_eq!(output, "contentcontentdeepfollowed insidenew1234:42:640:2:1700000000\n");
    assert_eq!(kind(&put(&mut client, "/nowhere", AS_IT_IS, &files).unwrap_err()), RefusalKind::Unknown);
    assert_eq!(kind(&put(&mut client, "/data/old", AS_IT_IS, &files).unwrap_err()), RefusalKind::Invalid);
    let strict = ArchiveOptions { no_overwrite_dir_non_dir: true, ..AS_IT_IS };
    let other = tar(|builder| add(builder, EntryType::Regular, "dir", b"no folder"));
    assert_eq!(kind(&put(&mut client, "/data", strict, &other).unwrap_err()), RefusalKind::Invalid);
    let roots = ArchiveOptions { make_parents: true, ..ArchiveOptions::default() };
    let one = tar(|builder| add(builder, EntryType::Regular, "f", b"1"));
    assert_eq!(put(&mut client, "/made/for/it", roots, &one).unwrap(), Reply::Done);
    assert_eq!(stat(&mut client, "/made/for/it/f").unwrap().uid, 0);
}

#[test]
fn an_archive_comes_out() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let script = "mkdir /data; echo x > /data/f; ln -s ../data/f /data/l; mkfifo /data/p; chown 5:6 /data/f";
    node.run(&mut client, 1, 1, &["sh", "-c", script]);
    let (found, mut file) = get(&mut client, "/data");
    assert_eq!((found.name.as_str(), found.mode), ("data", 0o40_755));
    let expected = [
        "5 755 0:0 data/ \"\"",
        "0 644 5:6 data/f \"x\\n\"",
        "2 777 0:0 data/l ../data/f\"\"",
        "6 644 0:0 data/p \"\"",
    ];
    assert_eq!(lines(&mut file), expected);
    let (found, mut file) = get(&mut client, "/data/l");
    assert_eq!(found.link_target, "/data/f");
    assert_eq!(lines(&mut file), ["2 777 0:0 l ../data/f\"\""]);
    let (_, mut file) = get(&mut client, "/data/.");
    assert_eq!(lines(&mut file)[1], "0 644 5:6 ./f \"x\\n\"");
    // The kernel's file systems are not walked into.
    let (found, mut file) = get(&mut client, "/");
    assert_eq!(found.name, "/");
    let all = lines(&mut file);
    assert!(all.iter().any(|line| line.contains(" ./proc/ ")), "{all:#?}");
    assert!(!all.iter().any(|line| line.contains(" ./proc/1")));
    assert_eq!(kind(&stat(&mut client, "/nowhere").unwrap_err()), RefusalKind::Unknown);
}

/// Links that a hostile instance swaps while an archive goes in lead nowhere outside.
#[test]
fn swapped_links_lead_nowhere() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let outside = node.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let swap = format!(
        "mkdir -p /data/a /data/b; cd /data; while :; do mv a c; ln -s {} a; rm a; mv c a; done",
        outside.display()
    );
    let pipes = node.exec(&mut client, 1, 1, &["sh", "-c", &swap]);
    let names: Vec<String> = (0..200).map(|number| format!("a/f{number}")).collect();
    for _ in 0..5 {
        for name in &names {
            let one = tar(|builder| add(builder, EntryType::Regular, name, b"x"));
            // A race that is lost is an error, or a file elsewhere inside.
            let _raced = put(&mut client, "/data", AS_IT_IS, &one);
        }
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    drop(pipes);
}

/// A reader that does not read holds its own worker only, and is let go with the session.
#[test]
fn a_stuck_reader_hurts_nobody_else() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    node.run(&mut client, 1, 1, &["sh", "-c", "head -c 1000000 /dev/zero > /big"]);
    let pipes: Vec<_> = (0..5).map(|_| nix::unistd::pipe().unwrap()).collect();
    for (_, write) in &pipes {
        let request = Request::GetArchive { session: session(1), instance: first(), path: "/big".into() };
        client.send(request, &[write.as_fd()]).unwrap();
    }
    // The fifth is one too many; everything else goes on.
    let (answer, _) = client.receive(std::time::Instant::now() + crate::node::PATIENCE).unwrap();
    assert!(format!("{answer:?}").contains("4 archives"), "{answer:?}");
    assert_eq!(node.run(&mut client, 1, 2, &["echo", "on"]).0, "on\n");
    crate::node::end(&mut client, 1);
}
