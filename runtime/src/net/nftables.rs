//! nftables by netlink (kernel, include/uapi/linux/netfilter/nf_tables.h): tables, chains, sets and rules, all of a batch
//! or nothing. Rules are written like those of nft(8): matches, then what happens.

mod batch;
mod forward;
mod rule;
mod set;

use crate::failure::{Failure, during};
use crate::net::netlink::{Message, Netlink};
use crate::sys::netlink as kernel;
use batch::{GET_GENERATION, SUBSYSTEM};

pub(crate) use batch::{Batch, Chain, Family, Hook};
pub(crate) use forward::{ForwardChain, forward_chains};
pub(crate) use rule::{Field, Limit, Rule};
pub(crate) use set::{Element, Key, Set, SetKind};

/// Asks the kernel which generation of rules it has.
///
/// # Errors
/// When it has no nftables.
pub(crate) fn generation() -> Result<(), Failure> {
    let ask = Message::new(SUBSYSTEM << 8 | GET_GENERATION, 0, &[0; 4]);
    let netfilter = Netlink::netfilter().map_err(during("open a netlink socket"))?;
    netfilter.carry_out(vec![("ask for the generation".to_owned(), ask)])
}

/// Name of an interface as rules compare it.
pub(crate) fn interface(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(kernel::IFNAMSIZ, 0);
    bytes
}
