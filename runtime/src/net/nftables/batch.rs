//! A batch: what is to be made, in its order.

use super::{Element, Rule, Set};
use crate::failure::Failure;
use crate::net::netlink::{Message, Netlink};
use crate::sys::netlink as kernel;

pub(super) const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

const NEW_TABLE: u16 = 0;
pub(super) const GET_TABLE: u16 = 1;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
pub(super) const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;
pub(super) const GET_CHAIN: u16 = 4;
pub(super) const GET_GENERATION: u16 = 16;

/// `NFT_TABLE_F_OWNER`.
pub(super) const OWNED: u32 = 2;

/// What kind of packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// IPv4 alone.
    V4 = 2,
    /// Frames that cross a bridge.
    Bridge = 7,
    /// IPv6 alone.
    V6 = 10,
}

impl Family {
    /// The one of this number, if it sees what is routed.
    pub(super) fn routed(number: u8) -> Option<Self> {
        [Self::Inet, Self::V4, Self::V6].into_iter().find(|family| *family as u8 == number)
    }

    /// As nft(8) calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::V4 => "ip",
            Self::Bridge => "bridge",
            Self::V6 => "ip6",
        }
    }
}

/// Where a chain is called from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hook {
    /// Number of the hook in its family (include/uapi/linux/netfilter.h).
    pub(crate) number: u32,
    /// Lower ones come first.
    pub(crate) priority: i32,
    /// `filter` or `nat`.
    pub(crate) kind: &'static str,
    /// Whether what no rule decides is let through.
    pub(crate) accepts: bool,
}

impl Hook {
    pub(crate) const PREROUTING: u32 = 0;
    pub(crate) const INPUT: u32 = 1;
    pub(crate) const FORWARD: u32 = 2;
    pub(crate) const OUTPUT: u32 = 3;
    pub(crate) const POSTROUTING: u32 = 4;
}

/// A chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    /// Its name.
    pub(crate) name: &'static str,
    /// None for one that rules jump to.
    pub(crate) hook: Option<Hook>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Batch {
    family: Family,
    table: String,
    messages: Vec<Message>,
    sets: u32,
}

impl Batch {
    /// Changes of this table.
    pub(crate) fn of(family: Family, table: &str) -> Self {
        let begin = Message::new(BATCH_BEGIN, 0, &header(0, SUBSYSTEM));
        Self { family, table: table.to_owned(), messages: vec![begin], sets: 0 }
    }

    /// A new table.
    pub(crate) fn new_table(family: Family, table: &str) -> Self {
        let mut batch = Self::of(family, table);
        batch.add(NEW_TABLE, kernel::NLM_F_CREATE, |message| message.put_text(1, table));
        batch
    }

    /// A new table that goes when the socket that made it is closed, and that nobody else may change (nft(8), "owner").
    pub(crate) fn new_owned_table(family: Family, table: &str) -> Self {
        let mut batch = Self::of(family, table);
        batch.add(NEW_TABLE, kernel::NLM_F_CREATE | kernel::NLM_F_EXCL, |message| {
            message.put_text(1, table).put(2, &OWNED.to_be_bytes())
        });
        batch
    }

    /// Adds a chain.
    pub(crate) fn chain(&mut self, chain: Chain) -> &mut Self {
        let table = self.table.clone();
        self.add(NEW_CHAIN, kernel::NLM_F_CREATE, |message| {
            let message = message.put_text(1, &table).put_text(3, chain.name);
            let Some(hook) = chain.hook else { return message };
            message
                .nest(4, |inner| {
                    inner.put(1, &hook.number.to_be_bytes()).put(2, &hook.priority.to_be_bytes())
                })
                .put(5, &u32::from(hook.accepts).to_be_bytes())
                .put_text(7, hook.kind)
        })
    }

    /// Adds a rule behind those of its chain.
    pub(crate) fn rule(&mut self, chain: &str, rule: Rule) -> &mut Self {
        let table = self.table.clone();
        self.add(NEW_RULE, kernel::NLM_F_CREATE | kernel::NLM_F_APPEND, |message| {
            let message = message.put_text(1, &table).put_text(2, chain);
            message.nest(4, |list| rule.write(list))
        })
    }

    /// Adds a rule before those of its chain, with a comment.
    pub(crate) fn rule_first(&mut self, chain: &str, rule: Rule, comment: &str) {
        let table = self.table.clone();
        // Kind 0 of what nft(8) keeps beside a rule, then the length.
        let length = u8::try_from(comment.len() + 1).unwrap_or_default();
        let beside = [&[0, length], comment.as_bytes(), &[0]].concat();
        self.add(NEW_RULE, kernel::NLM_F_CREATE, |message| {
            let message = message.put_text(1, &table).put_text(2, chain);
            message.nest(4, |list| rule.write(list)).put(7, &beside)
        });
    }

    /// Removes the rule with this handle.
    pub(crate) fn remove_rule(&mut self, chain: &str, handle: [u8; 8]) {
        let table = self.table.clone();
        self.add(DELETE_RULE, 0, |message| message.put_text(1, &table).put_text(2, chain).put(3, &handle));
    }

    /// Adds a set with what is in it.
    pub(crate) fn set(&mut self, set: Set<'_>) -> &mut Self {
        let table = self.table.clone();
        self.sets += 1;
        let number = self.sets;
        self.add(NEW_SET, kernel::NLM_F_CREATE, |message| set.write(message.put_text(1, &table), number));
        if set.elements.is_empty() { self } else { self.elements(set.name, &set.elements) }
    }

    /// Adds to a set, a hundred a message.
    pub(crate) fn elements(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        let table = self.table.clone();
        for part in elements.chunks(100) {
            self.add(NEW_ELEMENT, kernel::NLM_F_CREATE, |message| {
                let message = message.put_text(1, &table).put_text(2, set);
                message.nest(3, |list| part.iter().fold(list, |list, element| element.write(list)))
            });
        }
        self
    }

    /// Adds to a set of fading elements; those that are in it get the new time.
    pub(crate) fn renewed(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        if elements.is_empty() {
            return self;
        }
        // What is not there cannot be removed, so it is made first.
        self.elements(set, elements);
        let table = self.table.clone();
        self.add(DELETE_ELEMENT, 0, |message| {
            let message = message.put_text(1, &table).put_text(2, set);
            message.nest(3, |list| elements.iter().fold(list, |list, element| element.write_key(list)))
        });
        self.elements(set, elements)
    }

    fn add(&mut self, kind: u16, flags: i32, fill: impl FnOnce(Message) -> Message) -> &mut Self {
        let header = header(self.family as u8, 0);
        self.messages.push(fill(Message::new(SUBSYSTEM << 8 | kind, flags, &header)));
        self
    }

    /// Does it all, in the network namespace of the socket.
    ///
    /// # Errors
    /// When the kernel refuses a part: nothing is changed then.
    pub(crate) fn carry_out(mut self, netfilter: &Netlink) -> Result<(), Failure> {
        self.messages.push(Message::new(BATCH_END, 0, &header(0, SUBSYSTEM)));
        netfilter.carry_out_together(&format!("set up the table `{}`", self.table), self.messages)
    }
}

/// `struct nfgenmsg`: family, version, id in the network's order.
fn header(family: u8, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [family, 0, high, low]
}
