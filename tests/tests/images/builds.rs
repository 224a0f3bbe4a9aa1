//! Dockerfiles on the real runtime, without a node: `sandlot image build` starts a supervisor for itself.

use std::process::Stdio;

use sandlot_tests::wait::{self, PATIENCE};

use crate::fixture::{Ground, run, text};

fn ground() -> Ground {
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    ground
}

#[test]
fn stages_steps_and_words_come_to_an_image() {
    let ground = ground();
    ground.write("a.txt", "a");
    ground.write("sub/b.txt", "b");
    ground.write("left-out.log", "x");
    ground.write(".dockerignore", "*.log\n");
    let said = ground.built(
        "app",
        "ARG BASE=tiny\nFROM $BASE AS one\nWORKDIR /app\nENV WHO=\"you there\" X=${WHO:-nobody}\nCOPY . .\n\
         RUN echo \"$WHO $X\" > out && ls > list\nRUN <<EOF\necho document >> out\nEOF\n\
         FROM tiny\nCOPY --from=one --chown=learner --chmod=640 /app/out /app/list /dest/\nUSER learner\nWORKDIR /w\n\
         EXPOSE 80 53/udp\nLABEL a=b\nHEALTHCHECK --interval=5s CMD true\nCMD [\"cat\", \"/dest/out\"]\n",
        &[],
    );
    assert!(
        said.contains("Step 1/14 : FROM $BASE AS one") && said.contains("Successfully tagged app:latest"),
        "{said}"
    );
    assert_eq!(ground.file("app", "dest/out").unwrap(), "you there nobody\ndocument\n");
    assert_eq!(ground.file("app", "dest/list").unwrap(), "Dockerfile\na.txt\nlist\nout\nsub\n");
    let inspected = ground.inspect("app");
    let config = &inspected["Config"];
    assert_eq!(config["User"], "learner");
    assert_eq!(config["WorkingDir"], "/w");
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "53/udp": {}, "80/tcp": {} }));
    assert_eq!(config["Labels"], serde_json::json!({ "a": "b" }));
    assert_eq!(config["Healthcheck"]["Interval"], 5_000_000_000u64);
    assert_eq!(config["Cmd"], serde_json::json!(["cat", "/dest/out"]));
}

#[test]
fn what_was_built_before_is_taken_and_comes_to_the_same_image() {
    let ground = ground();
    ground.write("a.txt", "a");
    let dockerfile = "FROM tiny\nCOPY a.txt /\nRUN cat /a.txt > /b.txt\nENV A=1\n";
    ground.built("app", dockerfile, &[]);
    let id = ground.id("app");
    let again = ground.built("app", dockerfile, &[]);
    assert_eq!((again.matches("Using cache").count(), ground.id("app")), (2, id.clone()));
    // A time is no change, content is; what follows is done anew.
    ground.write("a.txt", "a");
    assert_eq!(ground.built("app", dockerfile, &[]).matches("Using cache").count(), 2);
    ground.write("a.txt", "c");
    assert_eq!(ground.built("app", dockerfile, &[]).matches("Using cache").count(), 0);
    assert_eq!(ground.file("app", "b.txt").unwrap(), "c");
    assert_ne!(ground.id("app"), id);
    assert_eq!(ground.built("app", dockerfile, &["--no-cache"]).matches("Using cache").count(), 0);
}

#[test]
fn a_fixed_time_makes_builds_reproducible() {
    let ids = [ground(), ground()].map(|ground| {
        ground.write("a.txt", "a");
        let dockerfile = "FROM tiny\nWORKDIR /w\nCOPY a.txt .\nRUN date +%s > /dev/null; echo x > y\n";
        ground.built("app", dockerfile, &["--build-arg", "SOURCE_DATE_EPOCH=1000000000"]);
        ground.id("app")
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_step_ends_with_its_command() {
    let ground = ground();
    let said =
        ground.built("app", "FROM tiny\nRUN (sleep 1000; echo late > /late) & echo now\nRUN ps\n", &[]);
    assert!(said.contains("now") && !said.contains("sleep 1000\n"), "{said}");
}

#[test]
fn secrets_and_mounts_leave_nothing_behind() {
    let ground = ground();
    let secret = ground.path("secret");
    std::fs::write(&secret, "sesame").unwrap();
    let given = format!("id=key,src={}", text(&secret));
    let dockerfile = "FROM tiny\nRUN --mount=type=secret,id=key --mount=type=secret,id=key,env=KEY \
        --mount=type=tmpfs,target=/t --mount=type=cache,target=/c \
        test $(cat /run/secrets/key) = $KEY && test ${#KEY} = 6 && touch /t/x /c/x && echo done > /done\n\
        RUN --mount=type=cache,target=/c test -e /c/x && ! test -e /t\n";
    ground.built("app", dockerfile, &["--secret", &given]);
    let tar = ground.command(&["save", "app"]).output().unwrap().stdout;
    assert!(!tar.windows(6).any(|part| part == b"sesame"), "the secret is in the image");
    assert_eq!(ground.file("app", "done").as_deref(), Some("done\n"));
    assert_eq!(ground.file("app", "c/x"), None);
}

#[test]
fn mistakes_name_their_line() {
    let ground = ground();
    for (dockerfile, hint) in [
        ("FROM tiny\nRUN exit 7\n", "line 2: the command `/bin/sh -c exit 7` returned a non-zero code: 7"),
        ("FROM tiny\nCOPY nothing /\n", "line 2: copy `nothing`: no such file"),
        (
            "FROM tiny\nCOPY ../../etc/passwd /\n",
            "line 2: copy `../../etc/passwd`: it is outside the context",
        ),
        ("FROM tiny\nCOPY --chown=nobody2 Dockerfile /\n", "line 2: --chown=nobody2"),
        ("FROM tiny\n\nRUN --network=host true\n", "line 3"),
        ("FROM tiny AS a\nCOPY --from=b /x /\n", "base image `b`"),
        ("FROM tiny\nRUN --mount=type=secret,id=x,required true\n", "secret `x` is required"),
        ("FROM tiny\nFORM x\n", "line 2: unknown instruction `FORM`"),
    ] {
        let output = ground.build("app", dockerfile, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(hint), "{dockerfile}: {error}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own process")]
fn a_killed_build_leaves_nothing_and_goes_on_where_it_was() {
    let ground = ground();
    ground.write("Dockerfile", "FROM tiny\nRUN echo one > /one\nRUN echo begun; sleep 1000\n");
    let context = ground.path("context");
    let mut child =
        ground.command(&["build", "-t", "app", text(&context)]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let begun = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        (line == "begun\n").then_some(())
    };
    let mut begun = begun;
    wait::until("the second step", PATIENCE, &mut begun).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Its supervisor ends by itself; the next build starts another.
    let said = ground.built("app", "FROM tiny\nRUN echo one > /one\nRUN echo two\n", &[]);
    assert_eq!(said.matches("Using cache").count(), 1);
    assert_eq!(ground.image(&["verify"]).trim(), "the content store is whole");
}

#[test]
fn standard_input_is_a_tar_or_a_dockerfile() {
    let ground = ground();
    let from = |input: &std::path::Path| {
        let mut command = ground.command(&["build", "-t", "app", "-"]);
        command.stdin(std::fs::File::open(input).unwrap()).output().unwrap()
    };
    ground.write("Dockerfile", "FROM tiny\nRUN echo text > /from\n");
    crate::fixture::said(from(&ground.path("context/Dockerfile")));
    assert_eq!(ground.file("app", "from").as_deref(), Some("text\n"));
    ground.write("Dockerfile", "FROM tiny\nCOPY a.txt /from\n");
    ground.write("a.txt", "tar");
    let tar = ground.path("context.tar.xz");
    run("tar", &["-C", text(&ground.path("context")), "-caf", text(&tar), "."]);
    crate::fixture::said(from(&tar));
    assert_eq!(ground.file("app", "from").as_deref(), Some("tar"));
    ground.write("Dockerfile", "FROM tiny\nCOPY a.txt /\n");
    let error = String::from_utf8(from(&ground.path("context/Dockerfile")).stderr).unwrap();
    assert!(error.contains("line 2: copy `a.txt`: no such file"), "{error}");
}

/// Answers every request with a file, until the test ends.
fn serve_file(content: &'static [u8]) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            drop(stream.read(&mut request));
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nlast-modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n\r\n",
                content.len()
            );
            drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content)));
        }
    });
    format!("http://{address}/folder/file.txt")
}

#[test]
fn add_fetches_urls_and_unpacks_archives() {
    let ground = ground();
    let url = serve_file(b"fetched");
    let digest = sandlot_runtime::image::Digest::of(b"fetched");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    tar.append_data(&mut header, "in/side", &b"hi"[..]).unwrap();
    let archive = tar.into_inner().unwrap().finish().unwrap();
    ground.write("x", "");
    std::fs::write(ground.path("context").join("a.tar.gz"), archive).unwrap();
    let dockerfile = format!(
        "FROM tiny\nADD --checksum={digest} {url} /got/\nADD a.tar.gz /un/\nCOPY a.tar.gz /as/it/is/\n"
    );
    ground.built("app", &dockerfile, &[]);
    assert_eq!(ground.file("app", "got/file.txt").as_deref(), Some("fetched"));
    assert_eq!(ground.file("app", "un/in/side").as_deref(), Some("hi"));
    assert_eq!(ground.file("app", "un/a.tar.gz"), None);
    assert!(ground.built("app", &dockerfile, &[]).matches("Using cache").count() == 3);
    let wrong = dockerfile.replace(digest.hex(), &"0".repeat(64));
    let error = String::from_utf8(ground.build("app", &wrong, &[]).stderr).unwrap();
    assert!(error.contains("line 2") && error.contains("its digest is"), "{error}");
}
