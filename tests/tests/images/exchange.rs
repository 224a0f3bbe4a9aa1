//! Pull and push with a real registry.

use sandlot_tests::registry::DockerRegistry;

use crate::fixture::{Ground, run, text};

#[test]
fn what_is_pushed_is_pulled_as_it_was() {
    let registry = DockerRegistry::plain();
    let (ground, other) = (Ground::new(), Ground::new());
    let name = registry.name("who/app:1").to_string();
    ground.image(&["make", "tiny"]);
    ground.built(&name, "FROM tiny\nRUN echo hello > /hello\nCMD [\"cat\", \"/hello\"]\n", &[]);
    let pushed = ground.image(&["push", &name]);
    assert!(pushed.contains("1: digest: sha256:"), "{pushed}");
    let again = ground.image(&["push", &name]);
    assert_eq!(again.matches("Layer already exists").count(), 3, "{again}");
    let pulled = other.image(&["pull", &name]);
    assert!(pulled.contains("Pull complete") && pulled.contains(&name), "{pulled}");
    assert_eq!((other.id(&name), other.file(&name, "hello")), (ground.id(&name), Some("hello\n".to_owned())));
    assert!(other.image(&["pull", &name]).contains("Already exists"));
    assert_eq!(other.image(&["verify"]).trim(), "the content store is whole");
    // Another repository of the same registry takes the layers over.
    let mounted = registry.name("who/other").to_string();
    other.image(&["tag", &name, &mounted]);
    assert!(other.image(&["push", &mounted]).contains("Mounted"));
}

#[test]
fn an_index_gives_the_image_for_this_host() {
    let registry = DockerRegistry::plain();
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    let archive = ground.path("tiny.tar");
    ground.image(&["save", "-o", text(&archive), "tiny"]);
    let name = registry.name("tiny:1").to_string();
    let (from, to) = (format!("oci-archive:{}", text(&archive)), format!("docker://{name}"));
    run("skopeo", &["copy", "--dest-tls-verify=false", "--format", "v2s2", &from, &to]);
    ground.image(&["pull", &name]);
    assert_eq!(ground.inspect(&name)["RootFS"], ground.inspect("tiny")["RootFS"]);
    let error = ground.refused(&["pull", &registry.name("nothing").to_string()]);
    assert!(error.contains("nothing:latest") && error.contains("MANIFEST_UNKNOWN"), "{error}");
    // A base image that is not here is pulled.
    ground.built("app", &format!("FROM {}\nRUN true\n", registry.name("tiny:1")), &["--pull"]);
}
