//! nftables by netlink (kernel, include/uapi/linux/netfilter/nf_tables.h): tables, chains, sets and rules, all of a batch
//! or nothing. Rules are written like those of nft(8): matches, then what happens.

mod batch;
mod rule;
mod set;

use crate::failure::{Failure, during};
use crate::net::netlink::{Message, Netlink};
use crate::sys::netlink as kernel;
use batch::{GET_CHAIN, GET_GENERATION, SUBSYSTEM};

pub(crate) use batch::{Batch, Chain, Family, Hook};
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

/// Chains of this network namespace that drop what is forwarded unless a rule of theirs accepts it: family, table, name.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn refusing_forward_chains() -> Result<Vec<String>, Failure> {
    let what = "list the chains";
    let netfilter = Netlink::netfilter().map_err(during(what))?;
    let ask = Message::new(SUBSYSTEM << 8 | GET_CHAIN, kernel::NLM_F_DUMP, &[0; 4]);
    let chains = netfilter.dump(ask).map_err(during(what))?;
    Ok(chains.iter().filter_map(|body| refusing(body)).collect())
}

/// The name of a chain at the hook of what is forwarded, with the policy to drop.
fn refusing(body: &[u8]) -> Option<String> {
    let (header, attributes) = body.split_at_checked(4)?;
    let family = match header.first()? {
        1 => "inet",
        2 => "ip",
        10 => "ip6",
        _ => return None,
    };
    let text =
        |kind| Some(String::from_utf8_lossy(attribute(attributes, kind)?).trim_end_matches('\0').to_owned());
    let is_forward = attribute(attribute(attributes, 4)?, 1)? == Hook::FORWARD.to_be_bytes();
    let drops = attribute(attributes, 5)? == [0; 4];
    (is_forward && drops).then_some(format!("{family} {} {}", text(1)?, text(3)?))
}

/// The value of the first attribute of this kind.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let own = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = attributes.get(4..length)?;
        if own == kind {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// Name of an interface as rules compare it.
pub(crate) fn interface(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(kernel::IFNAMSIZ, 0);
    bytes
}
