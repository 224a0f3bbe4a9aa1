//! Netlink (netlink(7)): messages written attribute by attribute, sent together, answered one by one.
//!
//! Own code for links and nftables alike: no crate knows all the expressions that the firewall needs, and the tables of
//! types of those that know links would be a good part of the supervisor's memory.

mod message;
mod read;
mod socket;

pub(crate) use message::Message;
pub(crate) use read::{attribute, attributes, text};
pub(crate) use socket::Netlink;
