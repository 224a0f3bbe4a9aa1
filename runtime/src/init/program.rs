//! Steps about the program: its working directory, where it is, and exec.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, stat};
use nix::unistd::{AccessFlags, chdir, execve, execveat, faccessat, getcwd};

use super::Program;
use super::label;
use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::process::environment;

/// As root inside: the program's user may have no access to where its working directory is. Where root has none either,
/// as over a network, the user tries.
pub(super) fn enter_cwd_as_root(stage: &mut Stage<'_>) -> Result<(), Failure> {
    match chdir(stage.plan.process().cwd.as_path()) {
        Ok(()) => {
            stage.in_cwd = true;
            check_cwd()
        }
        Err(Errno::EACCES | Errno::EPERM) => Ok(()),
        Err(errno) => Err(cwd_failed(stage)(errno)),
    }
}

pub(super) fn enter_cwd(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if !stage.in_cwd {
        chdir(stage.plan.process().cwd.as_path()).map_err(cwd_failed(stage))?;
    }
    check_cwd()
}

fn cwd_failed(stage: &Stage<'_>) -> impl FnOnce(Errno) -> Failure {
    let cwd = stage.plan.process().cwd.display().to_string();
    during(format!("chdir to cwd ({cwd:?}) set in config.json failed"))
}

/// The kernel cannot name a folder outside the root, whatever way led there (CVE-2024-21626).
fn check_cwd() -> Result<(), Failure> {
    let outside = "current working directory is outside of container mount namespace root";
    let here = getcwd().map_err(during(outside))?;
    if here.is_absolute() { Ok(()) } else { Err(during(outside)(Errno::EXDEV)) }
}

/// Finds the program before anybody is told that all is well.
pub(super) fn look_up(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if let Program::Held(_) = stage.resources.program {
        return Ok(());
    }
    let process = stage.plan.process();
    let Some(name) = process.args.first() else { return Err(during("read the arguments")(Errno::EINVAL)) };
    stage.program = Some(find(name, &process.env)?);
    Ok(())
}

fn find(name: &CStr, env: &[CString]) -> Result<CString, Failure> {
    let text = name.to_string_lossy();
    if name.to_bytes().contains(&b'/') {
        return match check(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(Errno::EACCES) => Err(missing(&text, "permission denied")),
            Err(errno) => Err(missing(&text, &format!("stat {text}: {}", errno.desc().to_lowercase()))),
        };
    }
    for candidate in environment::candidates(&text, env).iter().filter(|_| !name.is_empty()) {
        let path = environment::c_string(candidate)?;
        if check(&path).is_ok() {
            return Ok(path);
        }
    }
    Err(missing(&text, "executable file not found in $PATH"))
}

/// The words are those that engines look for.
fn missing(name: &str, why: &str) -> Failure {
    Failure { message: format!("exec: {name:?}: {why}"), errno: Errno::UnknownErrno }
}

fn check(path: &CStr) -> Result<(), Errno> {
    let kind = SFlag::from_bits_truncate(stat(path)?.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFDIR {
        return Err(Errno::EACCES);
    }
    faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)
}

pub(super) fn exec(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = stage.plan.process();
    label::write(stage)?;
    let result = match (&stage.resources.program, &stage.program) {
        (Program::Held(file), _) => execveat(file, c"", &process.args, &process.env, AtFlags::AT_EMPTY_PATH),
        (Program::Named, Some(path)) => execve(path, &process.args, &process.env),
        (Program::Named, None) => Err(Errno::ENOENT),
    };
    let name = process.args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Err(errno) = result;
    Err(during(format!(
        "exec {}",
        std::path::Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())).display()
    ))(errno))
}
