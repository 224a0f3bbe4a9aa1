//! A packet from a container's set-up to its runtime: it says something that a child says, or is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::init::sync::Report;

fuzz_target!(|bytes: &[u8]| {
    match Report::read(bytes, Vec::new()) {
        Ok(Report::Failed(error)) => assert!(error.cause().len() <= 2 * bytes.len() + 200, "{error:?}"),
        Ok(Report::Closed) => assert!(bytes.is_empty()),
        Ok(Report::Pid(_) | Report::Listener(_)) => assert_eq!(bytes.len(), 5),
        Ok(Report::Ready(_) | Report::Maps | Report::Hooks) | Err(_) => {}
    }
});
