//! WORKDIR: a folder that is made if it is missing, as the user who will work in it.

use sandlot_runtime::supervisor::client::Client;

use super::super::cache::Key;
use super::super::dockerfile::Step;
use super::super::error::Result;
use super::super::machine::Fittings;
use super::super::owner;
use super::super::stage::StageRun;
use super::absolute;

/// Sets the working directory.
pub(super) fn workdir(
    stage: &mut StageRun<'_>,
    folder: &str,
    step: &Step,
    client: &mut Client,
) -> Result<()> {
    let folder = stage.expand(folder, step.line)?;
    let path = absolute(stage.so_far.config.folder(), &folder);
    stage.so_far.config.working_dir.clone_from(&path);
    let text = format!("WORKDIR {path}");
    if path == "/" {
        stage.describe(&text);
        return Ok(());
    }
    let user = stage.so_far.config.user.clone();
    let mut key = Key::new("workdir", &stage.so_far.layers.chain(), stage.shared.clock.fixed);
    key.add(&path);
    key.add(&user);
    let line = step.line;
    stage.layer(
        client,
        &key.finish(),
        &text,
        |_, _| Ok((Fittings::default(), ())),
        |_, machine, ()| {
            if machine.stat(&format!("{path}/"))?.is_some() {
                return Ok(false);
            }
            let owner = if user.is_empty() { (0, 0) } else { owner::find(machine, &user, line)? };
            let name = path.trim_start_matches('/').to_owned();
            machine.put("/", move |out| {
                let mut tar = tar::Builder::new(out);
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_uid(owner.0);
                header.set_gid(owner.1);
                header.set_mtime(now());
                header.set_size(0);
                tar.append_data(&mut header, name, std::io::empty())?;
                tar.finish()
            })?;
            Ok(true)
        },
    )
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|time| time.as_secs()).unwrap_or_default()
}
