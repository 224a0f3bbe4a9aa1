//! The same start by the library, as the supervisor's workers use it: nothing is executed but the container's program.
//!
//! A process of its own, with one thread, makes a container for each line that it reads, and answers with nanoseconds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandlot_runtime::oci::{self, CreateOptions, Root};

/// What the process does; ends with its input.
///
/// # Errors
/// When a container cannot be made, or ends badly.
pub(crate) fn serve(root: &Path, bundle: &Path) -> Result<()> {
    let root = Root::new(root)?;
    let options = CreateOptions { bundle: bundle.to_owned(), ..CreateOptions::default() };
    for line in std::io::stdin().lines() {
        line?;
        let start = Instant::now();
        let (status, _) = oci::run(&root, "bench", &options)?;
        let time = start.elapsed();
        ensure!(status == 0, "the container ended with {status}");
        writeln!(std::io::stdout(), "{}", time.as_nanos())?;
    }
    Ok(())
}

/// The process, seen from outside.
pub(crate) struct Library {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Library {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    #[expect(clippy::disallowed_methods, reason = "a benchmark may spawn")]
    pub(crate) fn begin(root: &Path, bundle: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("library").arg(root).arg(bundle).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self { process, input, output })
    }

    /// One container, from the call to its end.
    ///
    /// # Errors
    /// When the container fails.
    pub(crate) fn start(&mut self) -> Result<Duration> {
        self.input.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(Duration::from_nanos(line.trim().parse().context("the library's process has ended")?))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it failed.
    pub(crate) fn end(self) -> Result<()> {
        let Self { mut process, input, .. } = self;
        drop(input);
        ensure!(process.wait()?.success(), "the library's process failed");
        Ok(())
    }
}
