//! How fast a link sends: a token bucket (tc-tbf(8)).

use super::netlink::Message;
use crate::sys::netlink as kernel;

/// `TCA_TBF_*` (kernel, include/uapi/linux/pkt_sched.h).
const PARAMETERS: u16 = 1;
const RATE_64: u16 = 4;
const BURST: u16 = 6;
/// `TC_LINKLAYER_ETHERNET`: the kernel counts bytes itself, without a table of ours.
const ETHERNET: u8 = 1;
/// `TC_H_ROOT`.
const ROOT: u32 = u32::MAX;
/// What may be sent at once after a rest, in fractions of a second; and at least, in bytes: one large segment.
const BURST_PART: u64 = 20;
const LEAST_BURST: u64 = 64 * 1024;

/// The link sends no more than so many bytes a second; what comes faster waits for a twentieth of a second, or is lost.
pub(crate) fn limit(link: u32, bytes_per_second: u64) -> Message {
    let burst = (bytes_per_second / BURST_PART).max(LEAST_BURST);
    let burst = u32::try_from(burst).unwrap_or(u32::MAX);
    let rate = u32::try_from(bytes_per_second).unwrap_or(u32::MAX);
    // `struct tcmsg`: family, index, handle, parent, info.
    let mut header = [0; 20];
    header[4..8].copy_from_slice(&link.to_ne_bytes());
    header[12..16].copy_from_slice(&ROOT.to_ne_bytes());
    Message::new(kernel::RTM_NEWQDISC, kernel::NLM_F_CREATE | kernel::NLM_F_REPLACE, &header)
        .put_text(kernel::TCA_KIND, "tbf")
        .nest(kernel::TCA_OPTIONS, |options| {
            options
                .put(PARAMETERS, &parameters(rate, burst.saturating_mul(2)))
                .put(RATE_64, &bytes_per_second.to_ne_bytes())
                .put(BURST, &burst.to_ne_bytes())
        })
}

/// `struct tc_tbf_qopt`: rate, peak rate, bytes that wait, and what is not used.
fn parameters(rate: u32, waiting: u32) -> [u8; 36] {
    let mut parameters = [0; 36];
    parameters[1] = ETHERNET;
    parameters[8..12].copy_from_slice(&rate.to_ne_bytes());
    parameters[24..28].copy_from_slice(&waiting.to_ne_bytes());
    parameters
}
