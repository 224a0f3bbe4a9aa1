//! A packet from a client of the supervisor: it is read or refused, and what is read can be written and read again.
//!
//! Run it with coverage on the pinned toolchain:
//!
//! ```text
//! cd tests/fuzz
//! RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1" \
//!     cargo run --release --target x86_64-unknown-linux-gnu --bin call -- -max_total_time=60 corpus/call
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::supervisor::codec::{decode, encode};
use sandlot_runtime::supervisor::protocol::Call;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(call) = decode::<Call>(bytes) {
        // Escapes may make it longer than what came; then it is refused for its length.
        if let Ok(written) = encode(&call) {
            assert_eq!(decode::<Call>(&written).expect("what was written reads back"), call);
        }
    }
});
