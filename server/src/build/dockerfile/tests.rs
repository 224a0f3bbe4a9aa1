//! Reading Dockerfiles as Docker reads them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::instruction::{Command, Copy, Mount, MountKind, Network, Sharing};
use super::source::Source;
use super::{Dockerfile, Instruction, expand};

fn only(text: &str) -> Instruction {
    let file =
        Dockerfile::parse(&format!("FROM a\n{text}")).unwrap_or_else(|error| panic!("{text}: {error}"));
    file.stages[0].steps[0].instruction.clone()
}

fn refused(text: &str) -> String {
    match Dockerfile::parse(text) {
        Ok(file) => panic!("{text} was read as {file:?}"),
        Err(error) => error.to_string(),
    }
}

fn copy(text: &str) -> Copy {
    match only(text) {
        Instruction::Copy(copy) | Instruction::Add(copy) => *copy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_are_joined_and_comments_left_out() {
    let text = "\u{feff}# syntax = docker/dockerfile:1\n# escape=`\n\n# a comment\nfrom a\nRUN one `\n  # inside\n\n  two `  \n  three\nRUN c:\\dir\\\n";
    let source = Source::parse(text).unwrap();
    let statements: Vec<_> =
        source.statements.iter().map(|s| (s.line, s.keyword.as_str(), s.rest.as_str())).collect();
    assert_eq!(statements, [(5, "FROM", "a"), (6, "RUN", "one   two   three"), (11, "RUN", "c:\\dir\\")]);
    // Behind anything else it is a comment.
    assert_eq!(Source::parse("# a\n# escape=`\nFROM a").unwrap().escape, '\\');
    assert!(refused("# escape=x\nFROM a").contains("line 1"));
    assert!(refused("# escape=`\n# escape=`\nFROM a").contains("line 2"));
}

#[test]
fn heredocs_are_taken_in_order() {
    let Instruction::Run(run) = only("RUN <<ONE cat <<-'TWO' > x\n$a\nONE\n\t$b\n\tTWO\nRUN next") else {
        panic!("no RUN");
    };
    let documents: Vec<_> =
        run.heredocs.iter().map(|h| (h.name.as_str(), h.content.as_str(), h.expands)).collect();
    assert_eq!(documents, [("ONE", "$a\n", true), ("TWO", "$b\n", false)]);
    let Instruction::Run(run) = only("RUN <<EOF\nset -e\necho\nEOF") else { panic!("no RUN") };
    assert_eq!(run.only_document().unwrap().content, "set -e\necho\n");
    let copied = copy("COPY <<a.txt b.txt <<\"c.txt\" /to/\nA\na.txt\nC\nc.txt\n");
    assert_eq!(
        (copied.sources, copied.heredocs.len(), copied.destination.as_str()),
        (vec!["b.txt".to_owned()], 2, "/to/")
    );
    assert!(refused("FROM a\nRUN <<EOF\nx").contains("EOF"));
    // A shift in a program is none.
    let Instruction::Run(run) = only("RUN echo $((1 << 2))") else { panic!("no RUN") };
    assert!(run.heredocs.is_empty());
}

#[test]
fn commands_have_two_forms() {
    assert_eq!(only("CMD [\"a\", \"b c\"]"), Instruction::Cmd(Command::Exec(vec!["a".into(), "b c".into()])));
    // What is no JSON list of strings is for the shell.
    assert_eq!(only("CMD ['a']"), Instruction::Cmd(Command::Shell("['a']".into())));
    assert_eq!(only("ENTRYPOINT a  b"), Instruction::Entrypoint(Command::Shell("a  b".into())));
    assert_eq!(only("CMD []"), Instruction::Cmd(Command::Exec(vec![])));
    assert!(refused("FROM a\nSHELL /bin/bash").contains("JSON"));
}

#[test]
fn flags_are_checked() {
    let Instruction::Run(run) = only("RUN --network=none --mount=type=cache,target=/c,sharing=locked a")
    else {
        panic!("no RUN");
    };
    assert_eq!((run.network, run.command), (Network::None, Command::Shell("a".into())));
    let copied = copy("COPY --from=x --chown=a:b --chmod=u+x --link --exclude=*.md --exclude=y a b/");
    assert_eq!((copied.from.as_deref(), copied.link, copied.excludes.len()), (Some("x"), true, 2));
    assert_eq!(copy("ADD --unpack=false a b").unpack, Some(false));
    assert_eq!((copy("ADD a b").unpack, copy("ADD --unpack a b").unpack), (None, Some(true)));
    for (bad, hint) in [
        ("COPY --form=x a b", "--from"),
        ("RUN --security=insecure a", "--mount"),
        ("RUN --mount=type=ssh,target=/x a", "secret"),
        ("RUN --mount=type=cache a", "target"),
        ("RUN --mount=type=cache,target=/a,size=1 a", "size"),
        ("RUN --network=bridge a", "none"),
        ("ADD --from=x a b", "--chown"),
        ("HEALTHCHECK --interval=soon CMD a", "30s"),
        ("HEALTHCHECK a", "NONE"),
        ("COPY a", "destination"),
        ("COPY a b c", "slash"),
        ("ENV a", "NAME=VALUE"),
        ("RUNN a", "RUN"),
        ("USER", "argument"),
        ("ONBUILD FROM a", "ONBUILD"),
        ("ONBUILD COPY a", "destination"),
        ("FROM a b", "AS"),
        ("FROM a AS 1", "letter"),
    ] {
        let error = refused(&format!("FROM a\n{bad}"));
        assert!(error.contains("line 2") && error.contains(hint), "{bad}: {error}");
    }
    assert!(refused("RUN a").contains("FROM"));
    assert!(refused("").contains("FROM"));
}

#[test]
fn mounts_have_their_options() {
    let mount = |text: &str| Mount::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(
        mount("target=/x,from=stage,source=/y,rw").kind,
        MountKind::Bind { from: Some("stage".into()), source: "/y".into(), writable: true }
    );
    let MountKind::Cache { sharing, mode, owner, .. } =
        mount("type=cache,dst=/x,sharing=private,mode=0700,uid=5,gid=6").kind
    else {
        panic!("no cache");
    };
    assert_eq!((sharing, mode, owner), (Sharing::Private, 0o700, (5, 6)));
    assert_eq!(mount("type=secret,id=key").target, "/run/secrets/key");
    assert_eq!(mount("type=tmpfs,target=/t,size=64m").kind, MountKind::Tmpfs { size_bytes: Some(64 << 20) });
}

#[test]
fn pairs_have_two_forms() {
    let pairs = |text: &str| match only(text) {
        Instruction::Env(pairs) | Instruction::Label(pairs) => pairs,
        other => panic!("{other:?}"),
    };
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    assert_eq!(
        pairs("ENV a=1 b=\"x y\" c='$d' e=f\\ g"),
        own(&[("a", "1"), ("b", "\"x y\""), ("c", "'$d'"), ("e", "f\\ g")])
    );
    assert_eq!(pairs("ENV a b  c=d"), own(&[("a", "b  c=d")]));
    assert_eq!(pairs("LABEL \"a b\"=c"), own(&[("a b", "c")]));
}

fn variables() -> BTreeMap<String, String> {
    let pairs = [("a", "one"), ("empty", ""), ("path", "/usr/lib/lib.so.1"), ("n", "5"), ("sp", "x  y")];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_form_of_a_variable_is_replaced() {
    for (text, result) in [
        ("$a-${a}", "one-one"),
        ("$none.$a_", "."),
        ("${none:-x}${empty:-y}${empty-z}${a:-w}", "xyone"),
        ("${a:+x}${empty:+y}${empty+z}${none+w}", "xz"),
        ("${none:-${a}b}", "oneb"),
        ("${none-$n}", "5"),
        ("${path#*/}", "usr/lib/lib.so.1"),
        ("${path##*/}", "lib.so.1"),
        ("${path%.*}", "/usr/lib/lib.so"),
        ("${path%%.*}", "/usr/lib/lib"),
        ("${path/lib/x}", "/usr/x/lib.so.1"),
        ("${path//lib/x}", "/usr/x/x.so.1"),
        ("${path//l?b/x}", "/usr/x/x.so.1"),
        ("${path#\\*}", "/usr/lib/lib.so.1"),
        ("'$a' \"$a\" \\$a", "$a one $a"),
        ("\"a\\\"b\\c\"", "a\"b\\c"),
        ("a\\ b'c d'", "a bc d"),
        ("$", "$"),
        ("$$a", "$one"),
        ("${sp}", "x  y"),
    ] {
        assert_eq!(expand::word(text, '\\', &variables()).as_deref(), Ok(result), "{text}");
    }
    for bad in ["${", "${a", "${}", "${a:x}", "'a", "\"a", "${none:?}", "${none?gone}", "${a!}"] {
        assert!(expand::word(bad, '\\', &variables()).is_err(), "{bad}");
    }
    assert!(expand::word("${none?gone}", '\\', &variables()).unwrap_err().contains("gone"));
    assert_eq!(expand::words("$sp \"$sp\" 80", '\\', &variables()).unwrap(), ["x", "y", "x  y", "80"]);
    assert_eq!(expand::document("\"$a\" \\$a \\n 'b'", '\\', &variables()).unwrap(), "\"one\" $a \\n 'b'");
}

#[test]
fn a_variable_cannot_grow_without_bound() {
    let mut variables = BTreeMap::from([("a".to_owned(), "x".repeat(1000))]);
    let mut grown = Ok(String::new());
    for _ in 0..40 {
        grown = expand::word("$a$a", '\\', &variables);
        let Ok(value) = &grown else { break };
        variables.insert("a".to_owned(), value.clone());
    }
    assert!(grown.is_err());
    assert!(expand::word(&"${b:-".repeat(2000), '\\', &variables).is_err());
    let slow = BTreeMap::from([("a".to_owned(), "a".repeat(20_000))]);
    assert!(expand::word("${a##*a*a*a*a*b}", '\\', &slow).is_ok());
}

proptest! {
    /// Whatever stands in the file, reading ends with an answer.
    #[test]
    fn any_text_is_read_or_refused(text in "(?s)(FROM |RUN |COPY |ENV |ARG |<<E|E\n|\\\\\n|\"|'|\\$\\{a|--mount=|[ -~\n]){0,40}") {
        if let Ok(file) = Dockerfile::parse(&text) {
            prop_assert!(!file.stages.is_empty());
        }
        drop(expand::word(&text, '\\', &variables()));
        drop(expand::document(&text, '\\', &variables()));
    }
}
