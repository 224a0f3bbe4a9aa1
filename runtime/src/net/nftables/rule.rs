//! A rule: expressions that load a part of the packet and compare it, then what happens.

use crate::net::netlink::Message;

/// The verdict's register, and the first of the 32-bit registers that hold data.
const VERDICT: u32 = 0;
const DATA: u32 = 8;

const ACCEPT: i32 = 1;
const DROP: i32 = 0;
const JUMP: i32 = -3;

const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const LESS_OR_EQUAL: u32 = 3;
const GREATER_OR_EQUAL: u32 = 5;

/// A part of what is known of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Name of the interface that it came by, 16 bytes.
    InName,
    /// Name of the interface that it leaves by.
    OutName,
    /// `AF_INET` or `AF_INET6`, one byte.
    Version,
    /// Protocol of the transport, behind all extension headers, one byte.
    Transport,
    /// Of the frame: offset and length.
    Frame(u32, u32),
    /// Of the network's header.
    Network(u32, u32),
    /// Of the transport's header.
    TransportHeader(u32, u32),
}

/// How much of something in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// Packets.
    Packets(u64),
}

/// A rule that is being written.
#[derive(Debug, Clone, Default)]
#[must_use]
pub(crate) struct Rule {
    expressions: Vec<Expression>,
}

#[derive(Debug, Clone)]
enum Expression {
    Load { field: Field, register: u32 },
    Compare { operator: u32, value: Vec<u8> },
    Lookup { set: String, inverted: bool },
    Connection { states: u32 },
    Limited { limit: Limit, over: bool },
    Connections { most: u32 },
    Masquerade,
    Counter,
    Reject,
    Verdict { code: i32, chain: Option<String> },
}

impl Rule {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn with(mut self, expressions: impl IntoIterator<Item = Expression>) -> Self {
        self.expressions.extend(expressions);
        self
    }

    fn compared(self, field: Field, operator: u32, value: &[u8]) -> Self {
        let value = value.to_vec();
        self.with([Expression::Load { field, register: DATA }, Expression::Compare { operator, value }])
    }

    /// The field has this value.
    pub(crate) fn when(self, field: Field, value: &[u8]) -> Self {
        self.compared(field, EQUAL, value)
    }

    /// The field has another value.
    pub(crate) fn unless(self, field: Field, value: &[u8]) -> Self {
        self.compared(field, NOT_EQUAL, value)
    }

    /// The field is from `first` to `last`, as numbers in the network's order.
    pub(crate) fn when_within(self, field: Field, first: &[u8], last: &[u8]) -> Self {
        self.compared(field, GREATER_OR_EQUAL, first).compared(field, LESS_OR_EQUAL, last)
    }

    /// The fields together are in the set.
    pub(crate) fn when_in(self, fields: &[(Field, u32)], set: &str) -> Self {
        self.looked_up(fields, set, false)
    }

    /// The fields together are not in the set.
    pub(crate) fn unless_in(self, fields: &[(Field, u32)], set: &str) -> Self {
        self.looked_up(fields, set, true)
    }

    fn looked_up(self, fields: &[(Field, u32)], set: &str, inverted: bool) -> Self {
        let mut register = DATA;
        let loads: Vec<Expression> = fields
            .iter()
            .map(|(field, length)| {
                let load = Expression::Load { field: *field, register };
                register += length.div_ceil(4);
                load
            })
            .collect();
        self.with(loads).with([Expression::Lookup { set: set.to_owned(), inverted }])
    }

    /// It belongs to a connection that was let through, or is about one.
    pub(crate) fn when_reply(self) -> Self {
        self.with([Expression::Connection { states: 0x2 | 0x4 }])
    }

    /// It belongs to no connection and begins none.
    pub(crate) fn when_stray(self) -> Self {
        self.with([Expression::Connection { states: 0x1 }])
    }

    /// There is more of it than the limit.
    pub(crate) fn when_over(self, limit: Limit) -> Self {
        self.with([Expression::Limited { limit, over: true }])
    }

    /// More connections than this are there at once.
    pub(crate) fn when_connections_over(self, most: u32) -> Self {
        self.with([Expression::Connections { most }])
    }

    /// There is no more of it than the limit.
    pub(crate) fn when_below(self, limit: Limit) -> Self {
        self.with([Expression::Limited { limit, over: false }])
    }

    /// Counts what comes so far.
    pub(crate) fn counted(self) -> Self {
        self.with([Expression::Counter])
    }

    pub(crate) fn accept(self) -> Self {
        self.with([Expression::Verdict { code: ACCEPT, chain: None }])
    }

    pub(crate) fn drop(self) -> Self {
        self.with([Expression::Verdict { code: DROP, chain: None }])
    }

    pub(crate) fn jump(self, chain: &str) -> Self {
        self.with([Expression::Verdict { code: JUMP, chain: Some(chain.to_owned()) }])
    }

    /// Tells the sender that it is forbidden.
    pub(crate) fn reject(self) -> Self {
        self.with([Expression::Reject])
    }

    /// The sender becomes the interface's own address.
    pub(crate) fn masquerade(self) -> Self {
        self.with([Expression::Masquerade])
    }

    pub(super) fn write(&self, list: Message) -> Message {
        self.expressions.iter().fold(list, |list, expression| expression.write(list))
    }
}

impl Expression {
    fn write(&self, list: Message) -> Message {
        match self {
            Self::Load { field, register } => load(list, *field, *register),
            Self::Compare { operator, value } => element(list, "cmp", |data| {
                let data = data.put(1, &DATA.to_be_bytes()).put(2, &operator.to_be_bytes());
                data.nest(3, |inner| inner.put(1, value))
            }),
            Self::Lookup { set, inverted } => element(list, "lookup", |data| {
                let data = data.put_text(1, set).put(2, &DATA.to_be_bytes());
                data.put(5, &u32::from(*inverted).to_be_bytes())
            }),
            Self::Connection { states } => connection(list, *states),
            Self::Limited { limit, over } => limited(list, *limit, *over),
            Self::Connections { most } => element(list, "connlimit", |data| {
                data.put(1, &most.to_be_bytes()).put(2, &1u32.to_be_bytes())
            }),
            Self::Masquerade => element(list, "masq", |data| data),
            Self::Counter => element(list, "counter", |data| data),
            // ICMP or ICMPv6, "administratively prohibited".
            Self::Reject => element(list, "reject", |data| data.put(1, &2u32.to_be_bytes()).put(2, &[3])),
            Self::Verdict { code, chain } => verdict(list, *code, chain.as_deref()),
        }
    }
}

fn element(list: Message, name: &str, fill: impl FnOnce(Message) -> Message) -> Message {
    list.nest(1, |element| element.put_text(1, name).nest(2, fill))
}

fn load(list: Message, field: Field, register: u32) -> Message {
    let meta = |list, key: u32| {
        element(list, "meta", |data| data.put(1, &register.to_be_bytes()).put(2, &key.to_be_bytes()))
    };
    let payload = |list, base: u32, (offset, length): (u32, u32)| {
        element(list, "payload", |data| {
            let data = data.put(1, &register.to_be_bytes()).put(2, &base.to_be_bytes());
            data.put(3, &offset.to_be_bytes()).put(4, &length.to_be_bytes())
        })
    };
    match field {
        Field::InName => meta(list, 6),
        Field::OutName => meta(list, 7),
        Field::Version => meta(list, 15),
        Field::Transport => meta(list, 16),
        Field::Frame(offset, length) => payload(list, 0, (offset, length)),
        Field::Network(offset, length) => payload(list, 1, (offset, length)),
        Field::TransportHeader(offset, length) => payload(list, 2, (offset, length)),
    }
}

/// The state of the connection is one bit, and one of those asked for. Registers are in the host's order here.
fn connection(list: Message, states: u32) -> Message {
    let list = element(list, "ct", |data| data.put(1, &DATA.to_be_bytes()).put(2, &0u32.to_be_bytes()));
    let list = element(list, "bitwise", |data| {
        let data = data.put(1, &DATA.to_be_bytes()).put(2, &DATA.to_be_bytes()).put(3, &4u32.to_be_bytes());
        data.nest(4, |mask| mask.put(1, &states.to_ne_bytes())).nest(5, |xor| xor.put(1, &[0; 4]))
    });
    element(list, "cmp", |data| {
        let data = data.put(1, &DATA.to_be_bytes()).put(2, &NOT_EQUAL.to_be_bytes());
        data.nest(3, |inner| inner.put(1, &[0; 4]))
    })
}

fn limited(list: Message, limit: Limit, over: bool) -> Message {
    let Limit::Packets(rate) = limit;
    // What has come in a second may come at once.
    let burst = u32::try_from(rate).unwrap_or(u32::MAX);
    element(list, "limit", |data| {
        data.put(1, &rate.to_be_bytes())
            .put(2, &1u64.to_be_bytes())
            .put(3, &burst.to_be_bytes())
            .put(4, &0u32.to_be_bytes())
            .put(5, &u32::from(over).to_be_bytes())
    })
}

fn verdict(list: Message, code: i32, chain: Option<&str>) -> Message {
    element(list, "immediate", |data| {
        data.put(1, &VERDICT.to_be_bytes()).nest(2, |value| {
            value.nest(2, |verdict| {
                let verdict = verdict.put(1, &code.to_be_bytes());
                match chain {
                    Some(chain) => verdict.put_text(2, chain),
                    None => verdict,
                }
            })
        })
    })
}
