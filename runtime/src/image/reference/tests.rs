//! Names as Docker reads them.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn short_names_go_to_the_default_registry() {
    for (text, canonical, shown) in [
        ("tiny", "docker.io/library/tiny:latest", "tiny:latest"),
        ("debian:12", "docker.io/library/debian:12", "debian:12"),
        ("who/app", "docker.io/who/app:latest", "who/app:latest"),
        ("docker.io/app", "docker.io/library/app:latest", "app:latest"),
        ("index.docker.io/who/app:1", "docker.io/who/app:1", "who/app:1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("127.0.0.1:5000/a/b__c:V.1", "127.0.0.1:5000/a/b__c:V.1", "127.0.0.1:5000/a/b__c:V.1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("Registry/app", "Registry/app:latest", "Registry/app:latest"),
        ("docker.io/docker.io/app", "docker.io/docker.io/app:latest", "docker.io/docker.io/app:latest"),
        ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
    ] {
        let reference = read(text);
        assert_eq!((reference.canonical().as_str(), reference.to_string().as_str()), (canonical, shown));
        assert_eq!(read(canonical), reference);
    }
}

#[test]
fn a_digest_stands_in_place_of_the_default_tag() {
    let digest = Digest::of(b"");
    let reference = read(&format!("tiny@{digest}"));
    assert_eq!((reference.tag(), reference.digest()), (None, Some(&digest)));
    let both = read(&format!("tiny:1@{digest}"));
    assert_eq!((both.tag(), both.digest()), (Some("1"), Some(&digest)));
    assert_eq!(read("tiny").with_digest(digest), reference);
}

#[test]
fn bad_names_are_refused_with_the_rule() {
    let long = "a".repeat(250);
    let id = "a".repeat(64);
    for bad in [
        "",
        "-a",
        "a b",
        "a\n",
        "é",
        "A",
        "a//b",
        "a/",
        "/a",
        "a..b",
        "a___b",
        "a:",
        "a:-x",
        "a:b:c",
        "a@sha256:0",
        "x.y:0/a",
        "x.y:99999/a",
        "x..y/a",
        "-x.y/a",
        "[::g]/a",
        "a:é",
        "../a",
        "a/../b",
        &long,
        &id,
    ] {
        assert!(bad.parse::<Reference>().is_err(), "{bad}");
    }
}

proptest! {
    /// Whatever is accepted is safe in a URL's path, and reads as it was written.
    #[test]
    fn what_is_accepted_reads_as_written(text in "[a-zA-Z0-9:/@._\\[\\]-]{0,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(&read(&reference.to_string()), &reference);
            prop_assert_eq!(&read(&reference.canonical()), &reference);
            prop_assert!(reference.repository().split('/').all(|part| !matches!(part, "" | "." | "..")));
        }
    }
}
