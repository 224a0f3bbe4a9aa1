//! Rules in the host's chains that refuse what is forwarded: a packet has to be accepted in each of them.
//!
//! They stand first in the chain at the hook itself, where a reload of Docker's or ufw's own chains leaves them alone. They
//! are written as iptables-nft writes its own, so that it shows them and keeps them. Towards the link everything is
//! accepted, since our own table has dropped before what is no reply.

use nix::errno::Errno;

use crate::failure::{Failure, during};
use crate::net::netlink::Netlink;
use crate::net::nftables::{self, Batch, Field, ForwardChain, Rule, interface};

/// What the rules of a link are known by, in the comment that nft(8) and iptables(8) show.
pub(crate) fn mark(link: &str) -> String {
    format!("sandlot {link}")
}

/// Adds the rules where they are missing.
pub(super) fn let_pass(link: &str) -> Vec<Failure> {
    in_each_chain(|chain, netfilter| {
        if !chain.refuses || !chain.rules_with(netfilter, &mark(link))?.is_empty() {
            return Ok(());
        }
        if chain.is_owned {
            return Err(during(format!("change `{chain}`, which belongs to a running program"))(
                Errno::EPERM,
            ));
        }
        let mut batch = Batch::of(chain.family, &chain.table);
        for field in [Field::OutName, Field::InName] {
            let rule = Rule::new().when(field, &interface(link)).counted().accept();
            batch.rule_first(&chain.name, rule, &mark(link));
        }
        batch.carry_out(netfilter)
    })
}

/// Removes them wherever they are.
pub(super) fn remove(link: &str) -> Vec<Failure> {
    in_each_chain(|chain, netfilter| {
        let handles = chain.rules_with(netfilter, &mark(link))?;
        if handles.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::of(chain.family, &chain.table);
        handles.into_iter().for_each(|handle| batch.remove_rule(&chain.name, handle));
        batch.carry_out(netfilter)
    })
}

fn in_each_chain(act: impl Fn(&ForwardChain, &Netlink) -> Result<(), Failure>) -> Vec<Failure> {
    let netfilter = match Netlink::netfilter().map_err(during("open a netlink socket")) {
        Ok(netfilter) => netfilter,
        Err(failure) => return vec![failure],
    };
    match nftables::forward_chains(&netfilter) {
        Ok(chains) => chains.iter().filter_map(|chain| act(chain, &netfilter).err()).collect(),
        Err(failure) => vec![failure],
    }
}
