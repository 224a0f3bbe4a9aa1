//! The files of the site's TLS: which they are, root has said in the node file; serve only asks for them.
//!
//! That one part of the node file is read anew each time, so that a serve with other files needs no other supervisor.

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::Job;
use crate::supervisor::log;
use crate::supervisor::node::NodeFile;
use crate::supervisor::protocol::{RefusalKind, Reply, Request};
use crate::supervisor::session::Waiter;
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn open_tls_files(&mut self, waiter: Waiter) -> Handled {
        let node = NodeFile::load(&self.state.node_file).map_err(|error| {
            log::warn(error);
            refuse(RefusalKind::Failed, "open the TLS files: the node file cannot be read")
        })?;
        let Some(files) = node.tls else {
            return Err(refuse(RefusalKind::Unknown, "open the TLS files: the node file names none"));
        };
        if !self.has_free_worker() {
            return Ok(Outcome::Again(Request::TlsFiles, Vec::new()));
        }
        let task = Task::HandOver { waiter, reply: Reply::TlsFiles(files.clone()) };
        self.employ(task, Job::OpenTlsFiles { files }, &[])?;
        Ok(Outcome::Later)
    }
}
