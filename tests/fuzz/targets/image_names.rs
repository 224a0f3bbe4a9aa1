//! Names, digests and platforms: whatever is accepted reads back as it was written, and is safe in a path and a URL.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::image::{Digest, Platform, Reference};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().expect("shown"), reference);
        assert_eq!(reference.canonical().parse::<Reference>().expect("canonical"), reference);
        assert!(reference.repository().split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().expect("shown"), platform);
    }
});
