//! An archive that is loaded or imported: it ends with an answer, and the store is whole afterwards.

#![no_main]

use std::fs::File;
use std::io::{Seek, Write};

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::image::{Scope, Store};

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("rewound");
    file
}

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let name = "a".parse().expect("a name");
    // That it is refused is an answer.
    drop(store.load(&Scope::Node, file(bytes)));
    if let Ok(image) = store.import(&Scope::Node, file(bytes), Some(&name)) {
        drop(store.export(&image, &mut std::io::sink()));
    }
    assert_eq!(store.verify().expect("verified"), []);
});
