//! The answer to one message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, PTR};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use sandlot_runtime::net::plan::{self, SWITCH};

use super::Zone;

/// Seconds for which an instance may be remembered: it may be removed at any time.
const TTL: u32 = 5;
/// Largest datagram that passes every network without being cut (RFC 9715).
const DATAGRAM: u16 = 1232;
/// Largest datagram for who does not say (RFC 1035, section 4.2.1).
const SMALL_DATAGRAM: u16 = 512;
/// How the switch is called.
const GATEWAY: &str = "gateway";

/// What comes of a message.
#[derive(Debug)]
pub(super) enum Answer {
    /// No query, or nothing that can be answered at all.
    Nothing,
    /// The answer.
    Now(Vec<u8>),
    /// It is about a name that no instance of the session has.
    Beyond(Box<Message>),
}

/// The answer to these bytes.
pub(super) fn answer(zone: &Zone, bytes: &[u8], in_datagram: bool) -> Answer {
    let now = |bytes: Option<Vec<u8>>| bytes.map_or(Answer::Nothing, Answer::Now);
    let Ok(query) = Message::from_vec(bytes) else { return now(malformed(bytes)) };
    if query.metadata.message_type != MessageType::Query {
        return Answer::Nothing;
    }
    let response = respond(zone, &query);
    if response.metadata.response_code == ResponseCode::NXDomain && is_beyond(&query) {
        return Answer::Beyond(Box::new(query));
    }
    now(encode(&query, &response, in_datagram))
}

/// The bytes of an answer. In a datagram what is too long is cut, and says so.
pub(super) fn encode(query: &Message, response: &Message, in_datagram: bool) -> Option<Vec<u8>> {
    let asked = query.edns.as_ref().map(Edns::max_payload);
    let most = asked.map_or(SMALL_DATAGRAM, |most| most.clamp(SMALL_DATAGRAM, DATAGRAM));
    let encoded = response.to_vec().ok()?;
    if in_datagram && encoded.len() > usize::from(most) {
        return response.truncate().to_vec().ok();
    }
    Some(encoded)
}

/// That there is no such name.
pub(super) fn unknown(query: &Message) -> Message {
    let mut response = response_to(query);
    response.metadata.response_code = ResponseCode::NXDomain;
    response
}

/// Names of one label, and those of addresses in the session's own networks, are the session's.
fn is_beyond(query: &Message) -> bool {
    let Some(name) = query.queries.first().map(Query::name) else { return false };
    match name.parse_arpa_name() {
        Ok(network) => !plan::is_own(network.addr()),
        Err(_) => name.num_labels() > 1,
    }
}

/// With a head that can be read: who asked may stop waiting.
fn malformed(bytes: &[u8]) -> Option<Vec<u8>> {
    let id = bytes.get(..2).and_then(|id| id.try_into().ok()).map(u16::from_be_bytes)?;
    let is_query = bytes.get(2).is_some_and(|flags| flags & 0x80 == 0) && bytes.len() >= 12;
    if !is_query {
        return None;
    }
    Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok()
}

fn respond(zone: &Zone, query: &Message) -> Message {
    let mut response = response_to(query);
    let code = match (query.metadata.op_code, query.queries.as_slice()) {
        (OpCode::Query, [question]) => fill(zone, question, &mut response),
        (OpCode::Query, _) => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    let is_newer = query.edns.as_ref().is_some_and(|asked| asked.version() > 0);
    response.metadata.response_code = if is_newer { ResponseCode::BADVERS } else { code };
    response
}

/// An empty answer.
pub(super) fn response_to(query: &Message) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_queries(query.queries.iter().cloned());
    if let Some(asked) = &query.edns {
        response.set_edns(edns(asked));
    }
    response
}

/// Nothing of what was asked for is repeated but whether signatures are wanted (RFC 3225): there are none.
fn edns(asked: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM).set_dnssec_ok(asked.flags().dnssec_ok);
    edns
}

fn fill(zone: &Zone, question: &Query, response: &mut Message) -> ResponseCode {
    if !matches!(question.query_class(), DNSClass::IN | DNSClass::ANY) {
        return ResponseCode::Refused;
    }
    response.metadata.authoritative = true;
    let name = question.name();
    if let Ok(network) = name.parse_arpa_name() {
        return fill_name(zone, question, network.addr(), response);
    }
    let Some(addresses) = addresses(zone, name) else { return ResponseCode::NXDomain };
    for address in addresses {
        let (kind, data) = match address {
            IpAddr::V4(address) => (RecordType::A, RData::A(A(address))),
            IpAddr::V6(address) => (RecordType::AAAA, RData::AAAA(AAAA(address))),
        };
        if matches!(question.query_type(), asked if asked == kind || asked == RecordType::ANY) {
            response.add_answer(Record::from_rdata(name.clone(), TTL, data));
        }
    }
    ResponseCode::NoError
}

fn addresses(zone: &Zone, name: &Name) -> Option<[IpAddr; 2]> {
    if name.is_localhost() {
        return Some([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let text = name.to_lowercase().to_ascii();
    let label = text.trim_end_matches('.');
    if label == GATEWAY {
        return Some(SWITCH.both());
    }
    zone.find(label).map(|index| plan::of(index).both())
}

fn fill_name(zone: &Zone, question: &Query, address: IpAddr, response: &mut Message) -> ResponseCode {
    let switch = SWITCH.both().contains(&address).then(|| GATEWAY.to_owned());
    let name = switch.or_else(|| zone.name_of(address).map(String::from));
    let Some(name) = name.and_then(|name| Name::from_ascii(format!("{name}.")).ok()) else {
        return ResponseCode::NXDomain;
    };
    if matches!(question.query_type(), RecordType::PTR | RecordType::ANY) {
        response.add_answer(Record::from_rdata(question.name().clone(), TTL, RData::PTR(PTR(name))));
    }
    ResponseCode::NoError
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone() -> Zone {
        let zone = Zone::default();
        zone.add(0.try_into().unwrap(), "node1".to_owned().try_into().unwrap());
        zone.add(1.try_into().unwrap(), "db".to_owned().try_into().unwrap());
        zone
    }

    fn ask(name: &str, kind: RecordType) -> (ResponseCode, Vec<String>) {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let answer = match answer(&zone(), &query.to_vec().unwrap(), true) {
            Answer::Now(bytes) => Message::from_vec(&bytes).unwrap(),
            Answer::Beyond(query) => unknown(&query),
            Answer::Nothing => panic!("no answer"),
        };
        assert_eq!(answer.metadata.id, query.metadata.id);
        let records = answer.answers.iter().map(|record| record.data.to_string()).collect();
        (answer.metadata.response_code, records)
    }

    #[test]
    fn instances_are_found_by_name_number_and_address() {
        let found = |address: &str| (ResponseCode::NoError, vec![address.to_owned()]);
        assert_eq!(ask("node1.", RecordType::A), found("10.99.0.11"));
        assert_eq!(ask("NODE2.", RecordType::AAAA), found("fd53:616e:646c::12"));
        assert_eq!(ask("db.", RecordType::A), found("10.99.0.12"));
        assert_eq!(ask("12.0.99.10.in-addr.arpa.", RecordType::PTR), found("db."));
        let v6 = "1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.6.4.6.e.6.1.6.3.5.d.f.ip6.arpa.";
        assert_eq!(ask(v6, RecordType::PTR), found("node1."));
        assert_eq!(ask("db.", RecordType::MX), (ResponseCode::NoError, vec![]));
        assert_eq!(ask("node3.", RecordType::A), (ResponseCode::NXDomain, vec![]));
        assert_eq!(ask("example.com.", RecordType::A), (ResponseCode::NXDomain, vec![]));
        assert_eq!(ask("9.9.9.9.in-addr.arpa.", RecordType::PTR), (ResponseCode::NXDomain, vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Answer::Now(answer) = answer(&zone(), &bytes, true) { prop_assert!(answer.len() <= 1232); }
        }
    }
}
