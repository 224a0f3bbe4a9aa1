use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use oci_spec::runtime::LinuxSeccomp;
use tempfile::TempDir;

use super::folder::MAX_FILES;
use super::*;

struct Fixture {
    scratch: TempDir,
    profile: LinuxSeccomp,
}

impl Fixture {
    fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap(), profile: profile(1) }
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path().join("filters")
    }

    fn compile(&self) -> Filter {
        compile(&self.folder(), &self.profile).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder().join(Entry::of(&self.profile).unwrap().name())
    }

    /// Puts a filter of one instruction under the profile's name; whether it was believed shows by the length.
    fn plant(&self) {
        let other = Instruction { code: 6, skip_if_true: 0, skip_if_false: 0, operand: 0x7fff_0000 };
        fs::write(self.file(), Entry::of(&self.profile).unwrap().pack(&[other])).unwrap();
    }

    fn believes(&self) -> bool {
        self.compile().length() == 1
    }
}

fn profile(errno: u32) -> LinuxSeccomp {
    let text = format!(
        r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
            [{{"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": {errno}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_kept_filter_is_the_compiled_one() {
    let fixture = Fixture::new();
    let fresh = Filter::compile(&fixture.profile).unwrap();
    assert_eq!(fixture.compile().instructions, fresh.instructions);
    assert_eq!(fixture.compile().instructions, fresh.instructions);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(fixture.folder()), mode(fixture.file())), (0o700, 0o600));
    assert_eq!(fs::read_dir(fixture.folder()).unwrap().count(), 1);
    fixture.plant();
    assert!(fixture.believes(), "the file is what is read");
}

#[test]
fn damage_is_found_and_repaired() {
    let fixture = Fixture::new();
    fixture.compile();
    let whole = fs::read(fixture.file()).unwrap();
    let mut damaged =
        vec![Vec::new(), whole[..whole.len() - 1].to_vec(), whole[8..].to_vec(), vec![0; 1 << 20]];
    damaged.extend((0..whole.len()).step_by(5).map(|position| {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        bytes
    }));
    for bytes in damaged {
        fs::write(fixture.file(), bytes).unwrap();
        fixture.compile();
        assert_eq!(fs::read(fixture.file()).unwrap(), whole);
    }
}

#[test]
fn a_filter_under_another_name_is_not_taken() {
    let fixture = Fixture::new();
    fixture.compile();
    compile(&fixture.folder(), &profile(2)).unwrap();
    let other = fixture.folder().join(Entry::of(&profile(2)).unwrap().name());
    let before = fs::read(&other).unwrap();
    fs::copy(fixture.file(), &other).unwrap();
    compile(&fixture.folder(), &profile(2)).unwrap();
    assert_eq!(fs::read(&other).unwrap(), before);
}

#[test]
fn what_others_can_touch_is_not_believed() {
    let fixture = Fixture::new();
    fixture.compile();
    let set_mode = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    fixture.plant();
    set_mode(fixture.file(), 0o620);
    assert!(!fixture.believes());

    fixture.plant();
    set_mode(fixture.folder(), 0o770);
    assert!(!fixture.believes());
    set_mode(fixture.folder(), 0o700);
    assert!(fixture.believes());

    fs::rename(fixture.file(), fixture.scratch.path().join("elsewhere")).unwrap();
    symlink(fixture.scratch.path().join("elsewhere"), fixture.file()).unwrap();
    assert!(!fixture.believes());

    fixture.plant();
    if nix::unistd::geteuid().is_root() {
        chown(fixture.file(), Some(65_534), None).unwrap();
        assert!(!fixture.believes());
    }
}

#[test]
fn without_a_usable_folder_filters_are_compiled() {
    let fixture = Fixture::new();
    let file = fixture.scratch.path().join("file");
    fs::write(&file, "").unwrap();
    for folder in [file, fixture.scratch.path().join("missing/below")] {
        let filter = compile(&folder, &fixture.profile).unwrap();
        assert_eq!(filter.instructions, Filter::compile(&fixture.profile).unwrap().instructions);
    }
}

#[test]
fn old_files_make_room() {
    let fixture = Fixture::new();
    fixture.compile();
    for number in 0..MAX_FILES + 5 {
        fs::write(fixture.folder().join(format!(".part-{number}")), "half").unwrap();
    }
    compile(&fixture.folder(), &profile(2)).unwrap();
    assert_eq!(fs::read_dir(fixture.folder()).unwrap().count(), MAX_FILES);
    assert!(fixture.folder().join(Entry::of(&profile(2)).unwrap().name()).exists());
}
