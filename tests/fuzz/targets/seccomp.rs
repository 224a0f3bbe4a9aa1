//! A system call filter's profile: it is read and compiled, or refused, in bounded time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::LinuxSeccomp;
use sandlot_runtime::process::seccomp::Filter;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(profile) = serde_json::from_slice::<LinuxSeccomp>(bytes) {
        if let Ok(filter) = Filter::compile(&profile) {
            assert!((1..=4096).contains(&filter.length()), "{} instructions", filter.length());
            assert!(filter.is_of(&profile));
        }
    }
});
