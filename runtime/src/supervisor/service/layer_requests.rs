//! Layers of images: unpacked, removed and looked for by workers.

use std::os::fd::OwnedFd;

use nix::sys::stat::{SFlag, fstat};

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::Job;
use crate::supervisor::name::DiffId;
use crate::supervisor::protocol::{MAX_LAYERS, RefusalKind, Request};
use crate::supervisor::session::Waiter;
use crate::supervisor::worker::Task;

/// Layers unpacked or removed at once, at most: both are bound by the disk.
const MAX_LAYER_WORKERS: usize = 4;

impl Supervisor {
    pub(super) fn unpack_layer(&mut self, waiter: Waiter, layer: DiffId, given: Option<OwnedFd>) -> Handled {
        let archive = given.ok_or_else(|| refuse(RefusalKind::Invalid, "unpack a layer: no descriptor"))?;
        let kind = fstat(&archive).map(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT);
        if !matches!(kind, Ok(SFlag::S_IFREG | SFlag::S_IFIFO)) {
            return Err(refuse(
                RefusalKind::Invalid,
                "unpack a layer: the descriptor is no file and no pipe",
            ));
        }
        // Who wants one that another unpacks waits for it, and then finds it there.
        if self.is_handled(&layer) || self.layer_workers() >= MAX_LAYER_WORKERS {
            return Ok(Outcome::Again(Request::UnpackLayer { layer }, vec![archive]));
        }
        let task = Task::Layer { layer: layer.clone(), removes: false, waiter };
        self.employ(task, Job::UnpackLayer { layer }, &[archive])?;
        Ok(Outcome::Later)
    }

    pub(super) fn remove_layer(&mut self, waiter: Waiter, layer: DiffId) -> Handled {
        let in_use = self.layer_sets.in_use(&layer);
        if in_use || self.is_handled(&layer) {
            let why = if in_use { "a session uses it" } else { "it is being unpacked or removed" };
            return Err(refuse(RefusalKind::Busy, format!("remove {layer}: {why}")));
        }
        if self.layer_workers() >= MAX_LAYER_WORKERS {
            return Ok(Outcome::Again(Request::RemoveLayer { layer }, Vec::new()));
        }
        let task = Task::Layer { layer: layer.clone(), removes: true, waiter };
        self.employ(task, Job::RemoveLayer { layer }, &[])?;
        Ok(Outcome::Later)
    }

    pub(super) fn have_layers(&mut self, waiter: Waiter, layers: Vec<DiffId>) -> Handled {
        if layers.len() > MAX_LAYERS {
            return Err(refuse(
                RefusalKind::Invalid,
                format!("at most {MAX_LAYERS} layers may be asked for"),
            ));
        }
        if !self.has_free_worker() {
            return Ok(Outcome::Again(Request::HaveLayers { layers }, Vec::new()));
        }
        self.employ(Task::Plain { waiter }, Job::HaveLayers { layers }, &[])?;
        Ok(Outcome::Later)
    }

    pub(super) fn list_layers(
        &mut self,
        waiter: Waiter,
        after: Option<DiffId>,
        min_age_seconds: u64,
    ) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(Request::ListLayers { after, min_age_seconds }, Vec::new()));
        }
        self.employ(Task::Plain { waiter }, Job::ListLayers { after, min_age_seconds }, &[])?;
        Ok(Outcome::Later)
    }

    /// Whether a worker removes this layer now.
    pub(super) fn is_being_removed(&self, layer: &DiffId) -> bool {
        self.layer_tasks().any(|(handled, removes)| removes && handled == layer)
    }

    fn is_handled(&self, layer: &DiffId) -> bool {
        self.layer_tasks().any(|(handled, _)| handled == layer)
    }

    fn layer_workers(&self) -> usize {
        self.layer_tasks().count()
    }

    fn layer_tasks(&self) -> impl Iterator<Item = (&DiffId, bool)> {
        self.workers.values().filter_map(|worker| match &worker.task {
            Task::Layer { layer, removes, .. } => Some((layer, *removes)),
            _ => None,
        })
    }
}
