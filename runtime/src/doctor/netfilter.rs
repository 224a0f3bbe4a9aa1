//! Whether the kernel has nftables, by asking for its generation number.

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::{Check, Node};

/// NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN.
const GET_GENERATION: u16 = 10 << 8 | 16;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
/// A netlink header and `struct nfgenmsg`.
const LENGTH: u32 = 20;

pub(super) fn check(_: &Node) -> Vec<Check> {
    vec![match ask() {
        Ok(true) => Check::ok("nftables", "the kernel has it"),
        Ok(false) => Check::warn("nftables", "the kernel lacks it, so sessions get no network", ADVICE),
        Err(error) => Check::warn("nftables", format!("it could not be asked: {error}"), ADVICE),
    }]
}

const ADVICE: &str = "load nf_tables, or take a kernel with CONFIG_NF_TABLES; loopback works without";

fn ask() -> std::io::Result<bool> {
    let socket = Socket::new(NETLINK_NETFILTER)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = Vec::new();
    request.extend(LENGTH.to_ne_bytes());
    request.extend(GET_GENERATION.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.resize(LENGTH as usize, 0);
    socket.send(&request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    Ok(kind.is_some_and(|kind| kind != NLMSG_ERROR))
}
