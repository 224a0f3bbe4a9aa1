//! The messages of the supervisor: every one reads back as it was written, and no bytes make reading panic.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

use proptest::prelude::*;
use sandlot_runtime::supervisor::codec::{CodecError, decode, encode};
use sandlot_runtime::supervisor::name::{
    DiffId, ExecNumber, Hostname, InstanceIndex, SessionNumber, TerminalNumber,
};
use sandlot_runtime::supervisor::node::TlsFiles;
use sandlot_runtime::supervisor::protocol::{
    Call, Command, Defaults, EndReason, Event, ExitStatus, FromSupervisor, Limits, Login, MAX_LAYERS,
    MAX_MESSAGE_BYTES, Machine, Network, Refusal, RefusalKind, Reply, Request, Winsize,
};

fn numbers() -> impl Strategy<Value = SessionNumber> {
    (1..=SessionNumber::MAX).prop_map(|number| number.try_into().unwrap())
}

fn indexes() -> impl Strategy<Value = InstanceIndex> {
    (0..InstanceIndex::COUNT).prop_map(|index| index.try_into().unwrap())
}

fn layers() -> impl Strategy<Value = DiffId> {
    "[0-9a-f]{64}".prop_map(|hex| hex.try_into().unwrap())
}

fn hostnames() -> impl Strategy<Value = Hostname> {
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?".prop_map(|name| name.try_into().unwrap())
}

prop_compose! {
    fn limits()(memory_bytes: u64, swap_bytes: u64, cpu_millis: u32, pids: u32, disk_bytes: u64,
                io_bytes_per_second: Option<u64>) -> Limits {
        Limits { memory_bytes, swap_bytes, cpu_millis, pids, disk_bytes, io_bytes_per_second }
    }
}

prop_compose! {
    fn machines()(index in indexes(), hostname in hostnames(), layers in prop::collection::vec(layers(), 0..4),
                  limits in limits(), is_root: bool, no_new_privileges: bool, user_namespaces: bool) -> Machine {
        let login = if is_root { Login::Root } else { Login::Learner };
        Machine { index, hostname, layers, limits, login, no_new_privileges, user_namespaces, net_admin: user_namespaces }
    }
}

prop_compose! {
    fn commands()(argv: Vec<String>, env: Vec<(String, String)>, cwd: Option<String>, user: Option<String>,
                    is_step: bool) -> Command {
        let defaults = if is_step { Defaults::Step } else { Defaults::Person };
        Command { argv, env, cwd, user, defaults }
    }
}

fn requests() -> impl Strategy<Value = Request> {
    let terminal = || any::<u32>().prop_map(TerminalNumber);
    let exec = || any::<u32>().prop_map(ExecNumber);
    prop_oneof![
        any::<u16>().prop_map(|version| Request::Hello { version }),
        any::<String>().prop_map(|name| Request::KeepListener { name }),
        Just(Request::Facts),
        (numbers(), any::<u64>(), prop::collection::vec(machines(), 0..4), any::<bool>()).prop_map(
            |(session, deadline_unix_ms, instances, is_plugged)| Request::StartSession {
                session,
                deadline_unix_ms,
                instances,
                network: is_plugged.then(Network::default)
            }
        ),
        (numbers(), machines()).prop_map(|(session, machine)| Request::AddInstance { session, machine }),
        (numbers(), indexes()).prop_map(|(session, instance)| Request::RemoveInstance { session, instance }),
        (numbers(), indexes()).prop_map(|(session, instance)| Request::RebootInstance { session, instance }),
        numbers().prop_map(|session| Request::EndSession { session, reason: EndReason::Closed }),
        (numbers(), indexes(), terminal(), commands(), any::<(u16, u16)>()).prop_map(
            |(session, instance, terminal, command, (rows, cols))| Request::OpenTerminal {
                session,
                instance,
                terminal,
                command,
                size: Winsize { rows, cols }
            }
        ),
        (numbers(), terminal()).prop_map(|(session, terminal)| Request::TakeTerminal { session, terminal }),
        (numbers(), indexes(), exec(), commands()).prop_map(|(session, instance, exec, command)| {
            Request::Exec { session, instance, exec, command }
        }),
        (numbers(), exec()).prop_map(|(session, exec)| Request::KillExec { session, exec }),
        prop::option::of(numbers()).prop_map(|after| Request::Sessions { after }),
        prop::collection::vec(layers(), 0..MAX_LAYERS).prop_map(|layers| Request::HaveLayers { layers }),
        (prop::option::of(layers()), any::<u64>())
            .prop_map(|(after, min_age_seconds)| Request::ListLayers { after, min_age_seconds }),
        Just(Request::TlsFiles),
        Just(Request::Guard),
        Just(Request::Reexec),
        Just(Request::Down),
    ]
}

proptest! {
    #[test]
    fn a_call_reads_back(id: u64, request in requests()) {
        let call = Call { id, request };
        match encode(&call) {
            Ok(bytes) => prop_assert_eq!(decode::<Call>(&bytes).unwrap(), call),
            Err(CodecError::TooLong(length)) => prop_assert!(length > MAX_MESSAGE_BYTES),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn an_answer_reads_back(id: u64, message: String, step: Option<String>, code: Option<i32>, session in numbers()) {
        let status = ExitStatus { code, signal: None };
        let refusal = Refusal { kind: RefusalKind::Failed, message, step };
        for answer in [
            FromSupervisor::Reply { id, result: Err(refusal) },
            FromSupervisor::Reply { id, result: Ok(Reply::Welcome { version: 1, epoch: id, pid: 1 }) },
            FromSupervisor::Event { event: Event::TerminalEnded { session, terminal: TerminalNumber(1), status } },
        ] {
            prop_assert_eq!(decode::<FromSupervisor>(&encode(&answer).unwrap()).unwrap(), answer);
        }
    }

    #[test]
    fn an_answer_with_paths_reads_back(certificate: String, key: String) {
        let reply = Reply::TlsFiles(TlsFiles { certificate: certificate.into(), key: key.into() });
        let answer = FromSupervisor::Reply { id: 1, result: Ok(reply) };
        prop_assert_eq!(decode::<FromSupervisor>(&encode(&answer).unwrap()).unwrap(), answer);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        prop_assert!(decode::<Call>(&bytes).is_err());
    }

    /// A message with one byte changed, cut or doubled is read or refused, and what is read can be written.
    #[test]
    fn a_damaged_call_is_read_or_refused(request in requests(), place: prop::sample::Index, byte: u8, how in 0..3) {
        let Ok(mut bytes) = encode(&Call { id: 1, request }) else { return Ok(()) };
        let place = place.index(bytes.len());
        match how {
            0 => bytes[place] = byte,
            1 => bytes.truncate(place),
            _ => bytes.insert(place, byte),
        }
        if let Ok(call) = decode::<Call>(&bytes) {
            prop_assert!(encode(&call).is_ok());
        }
    }
}

#[test]
fn names_out_of_their_range_are_refused() {
    for text in [
        r#"{"id":1,"request":{"request":"stats","session":0}}"#,
        r#"{"id":1,"request":{"request":"stats","session":32017}}"#,
        r#"{"id":1,"request":{"request":"reboot_instance","session":1,"instance":16}}"#,
        r#"{"id":1,"request":{"request":"remove_layer","layer":"../../etc"}}"#,
        r#"{"id":-1,"request":{"request":"facts"}}"#,
        r#"{"id":1,"request":{"request":"facts"}} "#.repeat(2).as_str(),
    ] {
        assert!(decode::<Call>(text.as_bytes()).is_err(), "{text}");
    }
    let deep = format!("{{\"id\":1,\"request\":{}", "[".repeat(100_000));
    assert!(decode::<Call>(deep.as_bytes()).is_err());
}
