//! Execs: one program in an instance, its input given, its outputs collected, its time bounded.

use std::sync::Arc;
use std::time::Duration;

use sandlot_runtime::supervisor::name::ExecNumber;
use sandlot_runtime::supervisor::protocol::{Command, ExitStatus};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Sessions;
use super::live::Live;
use super::terminal::check_instance;
use crate::auth::access::Owner;
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::id::InstanceName;
use crate::instance::ExecEnds;
use crate::instance::exec::{Collected, Collector, feed};

/// After the kill of an exec its end is told at once.
const KILL_TIME: Duration = Duration::from_secs(5);

/// A program to run.
#[derive(Debug, Clone)]
pub struct NewExec {
    /// What; argv is not empty.
    pub command: Command,
    /// Its input.
    pub stdin: Vec<u8>,
    /// Its time; it is killed then.
    pub time: Duration,
}

/// What came of an exec.
#[derive(Debug, Clone)]
pub struct ExecResult {
    /// How it ended.
    pub status: ExitStatus,
    /// Whether it was killed because its time was over.
    pub timed_out: bool,
    /// What it wrote.
    pub stdout: Collected,
    /// What it wrote.
    pub stderr: Collected,
}

impl Sessions {
    /// Runs a program in an instance of the owner's session. If the caller no longer waits, the program is killed.
    ///
    /// # Errors
    /// When the session has ended, there is no such instance, too many execs run, or the backend fails.
    pub async fn exec(&self, owner: &Owner, instance: InstanceName, new: NewExec) -> Result<ExecResult> {
        let live = self.running(owner)?;
        check_instance(&live, instance)?;
        let number = live.next_exec();
        let ended = register(&live, number)?;
        self.parts().metrics.execs.add(1);
        let mut running = Running { sessions: self.clone(), live: Arc::clone(&live), number, ended: false };
        let ends = self.parts().backend.exec(live.number(), instance.index(), number, new.command).await;
        let ends = ends.inspect_err(|_| running.ended = true)?;
        running.watch(ends, new.stdin, new.time, ended).await
    }
}

fn register(live: &Live, number: ExecNumber) -> Result<oneshot::Receiver<ExitStatus>> {
    let (sender, ended) = oneshot::channel();
    let mut parts = live.parts();
    if parts.execs.len() >= limits::EXECS_PER_SESSION {
        let sentence = "This session runs as many execs as it may. Wait for one to end.";
        return Err(Error::new(ErrorKind::Full, sentence).retry_after(Duration::from_secs(1)));
    }
    parts.execs.insert(number, sender);
    Ok(ended)
}

/// An exec that is under way. Dropping it before the end kills it.
struct Running {
    sessions: Sessions,
    live: Arc<Live>,
    number: ExecNumber,
    ended: bool,
}

impl Running {
    async fn watch(
        mut self,
        ends: ExecEnds,
        stdin: Vec<u8>,
        time: Duration,
        mut ended: oneshot::Receiver<ExitStatus>,
    ) -> Result<ExecResult> {
        let (stdout, stderr) = (Collector::default(), Collector::default());
        let outputs = async {
            tokio::join!(
                stdout.clone().collect(ends.stdout, limits::EXEC_OUTPUT_BYTES),
                stderr.clone().collect(ends.stderr, limits::EXEC_OUTPUT_BYTES),
            )
        };
        let streams = async {
            let (input, outputs) = tokio::join!(feed(ends.stdin, stdin), outputs);
            for error in [input, outputs.0, outputs.1].into_iter().filter_map(std::result::Result::err) {
                tracing::debug!(session = %self.live.id(), %error, "carry the streams of an exec");
            }
        };
        tokio::pin!(streams);
        let mut streaming = true;
        let deadline = tokio::time::sleep(time);
        tokio::pin!(deadline);
        let status = loop {
            tokio::select! {
                status = &mut ended => break Some(status),
                () = &mut streams, if streaming => streaming = false,
                () = &mut deadline => break None,
            }
        };
        let timed_out = status.is_none();
        let status = match status {
            Some(status) => status.ok(),
            None => {
                self.kill().await;
                timeout(KILL_TIME, &mut ended).await.ok().and_then(std::result::Result::ok)
            }
        };
        if streaming {
            // A child that was left behind may hold the pipes for ever.
            drop(timeout(limits::EXEC_DRAIN_TIME, streams).await);
        }
        self.ended = status.is_some();
        let status = status
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, "The end of the program was not seen."))?;
        Ok(ExecResult { status, timed_out, stdout: stdout.take(), stderr: stderr.take() })
    }

    async fn kill(&self) {
        if let Err(error) = self.sessions.parts().backend.kill_exec(self.live.number(), self.number).await {
            tracing::debug!(session = %self.live.id(), error = error.chain(), "kill an exec");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.live.parts().execs.remove(&self.number);
        if !self.ended {
            let (sessions, live, number) = (self.sessions.clone(), Arc::clone(&self.live), self.number);
            let kill = async move { sessions.parts().backend.kill_exec(live.number(), number).await };
            self.sessions.parts().shutdown.spawn_to_end(async move {
                if let Err(error) = kill.await {
                    tracing::debug!(error = error.chain(), "kill an exec that nobody waits for");
                }
            });
        }
    }
}
