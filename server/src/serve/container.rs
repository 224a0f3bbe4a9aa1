//! Start of serve over containers: as root and in one thread it makes what needs root, then gives root up for good.
//!
//! ```text
//! root   close what was inherited -> certificate and key -> folders -> supervisor (found, or its guardian started) -> listening socket
//!        (taken from the supervisor, or bound and left with it) -> makers of missing images
//! serve  uid and groups, no capability, no_new_privs, filter -> layers that are not unpacked yet -> tokio
//! ```

pub(crate) mod folders;
mod listener;
pub(crate) mod supervisor;

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, ensure};
use nix::unistd::geteuid;
use sandlot_runtime::cgroup::{Role, Tree};
use sandlot_runtime::process::unprivileged::give_up_privileges;
use sandlot_runtime::sys::close::close_all_but;

use super::{Prepared, certificate};
use crate::cli::{first_images, node_file};
use crate::config::Config;
use crate::image::{Catalog, UnpackError, remove_unused, unpack_missing};

/// Prepares everything and gives up root. Must run before any thread exists.
///
/// # Errors
/// With the step that failed and what to do; nothing serves then.
pub fn prepare(config: &Config) -> anyhow::Result<Prepared> {
    ensure!(
        geteuid().is_root(),
        "serve starts machines and must be started by root (try --backend local without)"
    );
    let given = listener::given_by_service_manager()?;
    // This process has opened nothing yet that lives on; what it was started with is not serve's to hold.
    let keep: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
    close_all_but(&keep).context("close inherited descriptors")?;
    let tls = certificate::first(config)?;
    folders::make(config)?;
    let (mut client, guardian) = supervisor::find_or_start(config, supervisor::Life::Lasting)?;
    if config.start_supervisor {
        let tree = Tree::open(&config.cgroup_parent).context("open the node's cgroup")?;
        tree.adopt(Role::Serve, 0).context("enter serve's cgroup")?;
    }
    node_file::tell_changes(config).context("tell the supervisor where the certificate lies")?;
    let listener = listener::take_or_bind(config, given, &mut client)?;
    let mut children = first_images::make_missing(config, &config.make_images)?;
    children.extend(guardian);
    // A connection made by root may ask more than serve may.
    drop(client);
    give_up_privileges(config.serve_uid())
        .map_err(|failure| anyhow::anyhow!("give up root: {}: {}", failure.message, failure.errno.desc()))?;
    unpack(config)?;
    Ok(Prepared { listener, children, tls })
}

/// Layers that came while no supervisor ran while no node ran.
fn unpack(config: &Config) -> anyhow::Result<()> {
    let catalog = Catalog::open(&config.state_dir, &config.run_dir).context("open the content store")?;
    let mut client = supervisor::connect(config).context("connect to the supervisor as serve")?;
    client.set_timeout(supervisor::UNPACK_TIMEOUT);
    if let Err(error) = unpack_missing(catalog.store(), &mut client) {
        // Its playgrounds refuse; the others work.
        tracing::error!(%error, "unpack images");
    }
    let removed = catalog.store().collect().map_err(UnpackError::from);
    if let Err(error) = removed.and_then(|_| remove_unused(catalog.store(), &mut client)) {
        tracing::error!(%error, "remove what no image needs");
    }
    Ok(())
}
