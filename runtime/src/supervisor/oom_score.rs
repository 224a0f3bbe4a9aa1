//! The kernel's choice of a victim when the host runs out of memory: the supervisor and its guardian come late,
//! everything they start comes as it would have before.

use std::fs;
use std::sync::OnceLock;

use super::log;

const PATH: &str = "/proc/self/oom_score_adj";
/// Late, but not never.
const LATE: &str = "-900";

/// The score from before, as it was read.
static BEFORE: OnceLock<String> = OnceLock::new();

/// Makes this process a late choice, where it may.
pub(crate) fn lower() {
    let before = fs::read_to_string(PATH).unwrap_or_else(|_| "0".to_owned());
    if let Err(error) = fs::write(PATH, LATE) {
        log::info(format_args!("this process is killed as early as others when memory runs out: {error}"));
    }
    BEFORE.get_or_init(|| before);
}

/// Gives a process that is to run something else the usual score.
pub(crate) fn restore() -> std::io::Result<()> {
    let before = BEFORE.get().map_or("0", |text| text.trim());
    // What a lowered guardian hands down is not usual.
    fs::write(PATH, if before.starts_with('-') { "0" } else { before })
}
