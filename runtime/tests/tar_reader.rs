//! What programs write as tars, read by [`Reader`]: GNU tar in all its forms, and the crate `tar`.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use sandlot_runtime::archive::reader::{Member, Reader};
use tar::EntryType;

/// All members with their content.
fn members(archive: &[u8]) -> std::io::Result<Vec<(Member, Vec<u8>)>> {
    let mut reader = Reader::new(archive);
    let mut found = Vec::new();
    while let Some(member) = reader.next_member()? {
        let mut content = Vec::new();
        reader.content().read_to_end(&mut content)?;
        found.push((member, content));
    }
    Ok(found)
}

fn gnu_tar(folder: &Path, options: &[&str]) -> Vec<u8> {
    let out = Command::new("tar")
        .args(options)
        .args(["--sort=name", "-C"])
        .arg(folder)
        .args(["-cf", "-", "."])
        .output()
        .expect("GNU tar is part of every Debian");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn sparse_file(path: &Path, pieces: u64) -> Vec<u8> {
    let mut file = File::create(path).unwrap();
    for piece in 0..pieces {
        file.seek(SeekFrom::Start(piece * 131_072 + 65_536)).unwrap();
        file.write_all(format!("data {piece}").as_bytes()).unwrap();
    }
    file.set_len(pieces * 131_072 + 100_000).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn every_form_of_gnu_tar() {
    let folder = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"odd \xff\n name");
    std::fs::write(folder.path().join(name), "content").unwrap();
    std::os::unix::fs::symlink("target", folder.path().join("symbolic")).unwrap();
    std::fs::hard_link(folder.path().join(name), folder.path().join("same")).unwrap();
    for form in ["v7", "oldgnu", "gnu", "ustar", "posix"] {
        let found = members(&gnu_tar(folder.path(), &[&format!("--format={form}")])).unwrap();
        let names: Vec<&[u8]> = found.iter().map(|(member, _)| member.path.as_slice()).collect();
        assert_eq!(names, [&b"./"[..], b"./odd \xff\n name", b"./same", b"./symbolic"], "{form}");
        let kinds: Vec<EntryType> = found.iter().map(|(member, _)| member.kind).collect();
        assert_eq!(kinds, [EntryType::Directory, EntryType::Regular, EntryType::Link, EntryType::Symlink]);
        assert_eq!(found[1].1, b"content");
        assert_eq!(found[2].0.link, b"./odd \xff\n name");
        assert_eq!(found[3].0.link, b"target");
    }
}

#[test]
fn long_names_and_links() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("file"), "x").unwrap();
    std::os::unix::fs::symlink("t".repeat(300), folder.path().join("z")).unwrap();
    for form in ["gnu", "posix"] {
        let found = members(&gnu_tar(folder.path(), &[&format!("--format={form}")])).unwrap();
        assert_eq!(found[3].0.path.len(), 2 + 120 + 1 + 120 + 1 + 4, "{form}");
        assert_eq!(found[3].1, b"x");
        assert_eq!(found[4].0.link, vec![b't'; 300]);
    }
}

#[test]
fn sparse_files_in_all_versions() {
    let folder = tempfile::tempdir().unwrap();
    let content = sparse_file(&folder.path().join("holes"), 40);
    for options in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let archive = gnu_tar(folder.path(), &[options, &["--sparse"]].concat());
        assert!(archive.len() < content.len() / 4, "the disk of the tests keeps no holes");
        let found = members(&archive).unwrap();
        let (member, read) = &found[1];
        assert_eq!((member.path.as_slice(), member.is_sparse), (&b"./holes"[..], true), "{options:?}");
        assert_eq!(member.length, content.len() as u64);
        assert!(*read == content, "{options:?}: the content differs");
    }
}

#[test]
fn numbers_that_octal_digits_do_not_hold() {
    let mut header = tar::Header::new_gnu();
    header.set_path("big").unwrap();
    header.set_uid(3_000_000_000);
    header.set_mtime(1 << 40);
    header.set_size(3);
    header.set_cksum();
    let archive = [header.as_bytes().as_slice(), b"abc", &[0; 509]].concat();
    let found = members(&archive).unwrap();
    assert_eq!((found[0].0.uid, found[0].0.time), (3_000_000_000, (1 << 40, 0)));
    assert_eq!(found[0].1, b"abc");
}

#[test]
fn what_is_cut_off_or_no_tar_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), [7; 3000]).unwrap();
    let archive = gnu_tar(folder.path(), &[]);
    for length in [100, 513, 1024 + 100, 1024 + 2999] {
        assert!(members(&archive[..length]).is_err(), "{length}");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive[..length]).unwrap();
        file.rewind().unwrap();
        let mut reader = Reader::seeking(file);
        let error = std::iter::from_fn(|| reader.next_member().transpose()).find_map(Result::err);
        assert!(error.is_some(), "{length}");
    }
    let error = members(&[b'x'; 512]).unwrap_err();
    assert!(error.to_string().contains("it is no tar"), "{error}");
}

proptest! {
    /// Whatever an archive holds, what is read of it ends, and not more comes than it says.
    #[test]
    fn any_bytes_are_survived(mut blocks in prop::collection::vec(any::<u8>(), 0..2048), kind in any::<u8>(), at in 0usize..512) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::new(kind));
        header.set_size(blocks.len() as u64);
        header.as_mut_bytes()[at] ^= 1;
        header.set_cksum();
        let mut archive = header.as_bytes().to_vec();
        archive.append(&mut blocks);
        for (member, content) in members(&archive).unwrap_or_default() {
            let is_file = member.kind == EntryType::Regular;
            prop_assert!(!is_file || content.len() as u64 == member.length);
        }
    }
}
