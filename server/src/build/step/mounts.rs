//! What RUN mounts.

use std::fs::File;
use std::io::{Seek, Write};

use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::{BuildMount, CacheSharing};

use super::super::dockerfile::instruction::{Mount, MountKind, Sharing};
use super::super::error::{Error, Result};
use super::super::layer;
use super::super::layer::Layers;
use super::super::machine::{BuildMachine, Fittings};
use super::super::stage::StageRun;
use super::{absolute, copy};

/// A tmpfs without a size.
const TMPFS_BYTES: u64 = 512 << 20;

/// A secret that is given as a variable.
pub(super) type Variable = (String, String);

/// Makes mounts ready; also the variables that secrets are given as.
pub(super) fn prepare(
    stage: &mut StageRun<'_>,
    mounts: &[Mount],
    line: usize,
    client: &mut Client,
) -> Result<(Fittings, Vec<Variable>)> {
    let (mut fittings, mut variables) = (Fittings::default(), Vec::new());
    for mount in mounts {
        let target = absolute(stage.so_far.config.folder(), &mount.target);
        match &mount.kind {
            MountKind::Tmpfs { size_bytes } => {
                let size_bytes = size_bytes.unwrap_or(TMPFS_BYTES);
                fittings.mounts.push(BuildMount::Tmpfs { target, size_bytes });
            }
            MountKind::Bind { from, source, .. } => {
                let layers = source_layers(stage, from.as_deref(), client)?;
                layers.unpack(&stage.shared.lease, client)?;
                let subpath = absolute("/", source).trim_start_matches('/').to_owned();
                fittings.mounts.push(BuildMount::Bind { target, layers: layers.diff_ids(), subpath });
            }
            MountKind::Cache { id, sharing, mode, owner, .. } => fittings.mounts.push(BuildMount::Cache {
                id: id.clone().unwrap_or_else(|| target.clone()),
                target,
                scope: stage.shared.build.scope.to_string(),
                mode: *mode,
                uid: owner.0,
                gid: owner.1,
                sharing: match sharing {
                    Sharing::Shared => CacheSharing::Shared,
                    Sharing::Private => CacheSharing::Private,
                    Sharing::Locked => CacheSharing::Locked,
                },
            }),
            MountKind::Secret { id, required, variable, is_file, mode, owner } => {
                let Some(secret) = stage.shared.request.secrets.get(id) else {
                    if *required {
                        return Err(Error::at(
                            line,
                            format!("secret `{id}` is required: give it with --secret id={id},src=FILE"),
                        ));
                    }
                    continue;
                };
                if let Some(name) = variable {
                    variables.push((name.clone(), String::from_utf8_lossy(&secret.0).into_owned()));
                }
                if *is_file {
                    fittings.secrets.push(content(&secret.0)?);
                    fittings.mounts.push(BuildMount::Secret {
                        target,
                        mode: *mode,
                        uid: owner.0,
                        gid: owner.1,
                    });
                }
            }
        }
    }
    Ok((fittings, variables))
}

/// What a bind's source depends on, for the key of the step.
pub(super) fn source_chain(stage: &StageRun<'_>, text: &str) -> Option<String> {
    let mount = Mount::parse(&stage.expand(text, 0).ok()?).ok()?;
    match mount.kind {
        MountKind::Bind { from: Some(from), .. } => Some(stage.from(&from).ok()?.layers.chain().to_string()),
        MountKind::Bind { from: None, .. } => {
            stage.shared.request.context.digest().ok().map(|d| d.to_string())
        }
        _ => None,
    }
}

/// The layers of a stage or image, or the context as a layer of its own.
fn source_layers(stage: &mut StageRun<'_>, from: Option<&str>, client: &mut Client) -> Result<Layers> {
    if let Some(name) = from {
        return Ok(stage.from(name)?.layers.clone());
    }
    let shared = stage.shared;
    let mut machine =
        BuildMachine::start(client, &Layers::default(), shared.request.limits, &Fittings::default())?;
    machine.put("/", |out| copy::write_all(&shared.request.context.files, out))?;
    let context = machine.diff(None, |tar| layer::receive(&shared.lease, tar))?;
    drop(machine);
    let mut layers = Layers::default();
    layers.push(context);
    Ok(layers)
}

/// In memory only: a file without a name on a disk would still be on the disk.
fn content(secret: &[u8]) -> Result<File> {
    let failed = |errno: nix::errno::Errno| Error::io("keep a secret")(errno.into());
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let mut file = File::from(nix::sys::memfd::memfd_create(c"secret", flags).map_err(failed)?);
    file.write_all(secret).and_then(|()| file.rewind()).map_err(Error::io("keep a secret"))?;
    Ok(file)
}
