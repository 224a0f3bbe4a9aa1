//! Dockerfiles, and the words in them: reading and replacing end with an answer.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use sandlot_server::build::dockerfile::{Dockerfile, expand};

fuzz_target!(|bytes: &[u8]| {
    // That it is refused is an answer.
    drop(Dockerfile::read(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let variables = BTreeMap::from([("a".to_owned(), "one/two.three".to_owned())]);
        drop(expand::words(text, '\\', &variables));
        drop(expand::document(text, '\\', &variables));
    }
});
