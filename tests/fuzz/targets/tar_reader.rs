//! A tar: reading it ends, and a file is as long as its header says.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::archive::reader::Reader;

/// Longer files are holes, and would only take time.
const MAX_LENGTH: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut streamed = 0;
    while let Ok(Some(member)) = reader.next_member() {
        streamed += 1;
        if member.length > MAX_LENGTH || member.kind != tar::EntryType::Regular {
            continue;
        }
        if let Ok(length) = std::io::copy(&mut reader.content(), &mut std::io::sink()) {
            assert_eq!(length, member.length);
        }
    }
    let mut reader = Reader::seeking(Cursor::new(bytes));
    let sought = std::iter::from_fn(|| reader.next_member().ok().flatten()).count();
    // Both see the same members.
    assert_eq!(sought, streamed);
});
