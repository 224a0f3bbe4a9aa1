//! A packet from a client of the supervisor: it is read or refused, and what is read can be written and read again.

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
