//! Calls that somebody else answers.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use libseccomp::{ScmpNotifReq, ScmpNotifResp, ScmpNotifRespFlags};
use nix::libc::ENOSYS;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use oci_spec::runtime::{
    ContainerProcessState, ContainerProcessStateBuilder, ContainerState, SECCOMP_FD_NAME, StateBuilder,
};
use sandlot_runtime::process::seccomp::listener;
use serde_json::{Value, json};

use crate::Test;
use crate::child::{Ended, Notifying, await_readable, compile, filter, run};
use crate::program::amd64;

pub(crate) const TESTS: &[Test] = &[
    ("an_agent_answers_a_call", an_agent_answers_a_call),
    ("an_agent_gets_the_listener_with_the_state", an_agent_gets_the_listener_with_the_state),
    ("flags_go_together_with_a_listener", flags_go_together_with_a_listener),
    ("without_an_agent_the_call_fails", without_an_agent_the_call_fails),
    ("a_missing_agent_is_named", a_missing_agent_is_named),
];

const MKDIR: u32 = 83;

fn notify() -> Value {
    json!({"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"})
}

/// Answers one call with an error number; returns the call's number.
fn answer(listener: &OwnedFd, errno: i32) -> i32 {
    await_readable(listener);
    let request = ScmpNotifReq::receive(listener.as_raw_fd()).unwrap();
    let response = ScmpNotifResp::new_error(request.id, -errno, ScmpNotifRespFlags::empty());
    response.respond(listener.as_raw_fd()).unwrap();
    request.data.syscall.as_raw_syscall()
}

fn an_agent_answers_a_call() {
    let notifying = Notifying::start(&filter("SCMP_ACT_ALLOW", &[notify()]), &amd64(MKDIR, [0, 0]));
    assert_eq!(answer(&notifying.listener, 77), i32::try_from(MKDIR).unwrap());
    assert_eq!(notifying.end(), Ended::With(77));
}

fn state() -> ContainerProcessState {
    let container = StateBuilder::default()
        .version("1.2.0")
        .id("one")
        .status(ContainerState::Creating)
        .pid(7)
        .bundle("/bundle")
        .build()
        .unwrap();
    ContainerProcessStateBuilder::default()
        .version("1.2.0")
        .fds(vec![SECCOMP_FD_NAME.to_owned()])
        .pid(7)
        // Longer than a socket takes at once is not tried here: this test is both ends.
        .metadata("x".repeat(5000))
        .state(container)
        .build()
        .unwrap()
}

fn an_agent_gets_the_listener_with_the_state() {
    let scratch = tempfile::tempdir().unwrap();
    let agent = UnixListener::bind(scratch.path().join("agent")).unwrap();
    let notifying = Notifying::start(&filter("SCMP_ACT_ALLOW", &[notify()]), &amd64(MKDIR, [0, 0]));
    listener::send(&scratch.path().join("agent"), &state(), notifying.listener.as_fd()).unwrap();

    let (connection, _) = agent.accept().unwrap();
    let mut bytes = vec![0; 16 * 1024];
    let mut space = nix::cmsg_space!([i32; 2]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message =
        recvmsg::<()>(connection.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
            .unwrap();
    let rights: Vec<ControlMessageOwned> = message.cmsgs().unwrap().collect();
    let [ControlMessageOwned::ScmRights(descriptors)] = rights.as_slice() else { panic!("{rights:?}") };
    let length = message.bytes;
    let [received] = descriptors.as_slice() else { panic!("{descriptors:?}") };
    let received = sandlot_runtime::sys::descriptor::own(*received);

    let document: Value = serde_json::from_slice(&bytes[..length]).unwrap();
    assert_eq!(document["ociVersion"], "1.2.0");
    assert_eq!(document["fds"], json!(["seccompFd"]));
    assert_eq!(document["pid"], 7);
    assert_eq!(document["metadata"].as_str().unwrap().len(), 5000);
    assert_eq!(document["state"]["id"], "one");
    assert_eq!(document["state"]["status"], "creating");
    assert_eq!(answer(&received, 78), i32::try_from(MKDIR).unwrap());
    assert_eq!(notifying.end(), Ended::With(78));
}

fn flags_go_together_with_a_listener() {
    let filter = compile(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [notify()],
        "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}));
    let notifying = Notifying::start(&filter, &amd64(MKDIR, [0, 0]));
    answer(&notifying.listener, 79);
    assert_eq!(notifying.end(), Ended::With(79));
}

fn without_an_agent_the_call_fails() {
    let end = run(&filter("SCMP_ACT_ALLOW", &[notify()]), &amd64(MKDIR, [0, 0]));
    assert_eq!(end, Ended::With(ENOSYS));
}

fn a_missing_agent_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("nobody");
    let error = listener::send(&path, &state(), std::io::stdin().as_fd()).unwrap_err();
    assert!(error.message.contains(path.to_str().unwrap()), "{}", error.message);
    assert_eq!(error.errno, nix::errno::Errno::ENOENT);
}
