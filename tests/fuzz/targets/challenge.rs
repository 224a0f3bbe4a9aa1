//! A registry's `WWW-Authenticate`: read within its bounds whatever it is, each scheme a lower-case token.
//! The module is taken as a file: the server around it would have to be built with counters as well.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../server/src/registry/challenge.rs"]
mod challenge;

use challenge::Challenge;

fuzz_target!(|header: &str| {
    let found = Challenge::parse(header);
    assert!(found.len() <= 8);
    for challenge in &found {
        assert!(!challenge.scheme.is_empty());
        assert_eq!(challenge.scheme, challenge.scheme.to_ascii_lowercase());
        let realm = challenge.parameter("realm").unwrap_or_default();
        assert!(realm.len() <= header.len());
    }
});
