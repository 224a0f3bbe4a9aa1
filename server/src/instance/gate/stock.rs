//! Sockets of an instance's network that nobody has connected yet: taken in batches ahead, as each is a request to the
//! supervisor. The batches grow with their use.

use std::os::fd::OwnedFd;
use std::time::Instant;

use sandlot_runtime::supervisor::protocol::SocketFamily;

use crate::config::limits;

const FIRST_COUNT: u8 = 4;

/// The sockets of one instance.
#[derive(Debug, Default)]
pub(super) struct Stock {
    v4: Ready,
    v6: Ready,
}

#[derive(Debug)]
struct Ready {
    sockets: Vec<OwnedFd>,
    next_count: u8,
    used_at: Instant,
}

impl Default for Ready {
    fn default() -> Self {
        Self { sockets: Vec::new(), next_count: FIRST_COUNT, used_at: Instant::now() }
    }
}

impl Stock {
    /// One of them.
    pub(super) fn take(&mut self, family: SocketFamily) -> Option<OwnedFd> {
        let ready = self.of(family);
        ready.used_at = Instant::now();
        ready.sockets.pop()
    }

    /// How many to ask for now.
    pub(super) fn next_count(&mut self, family: SocketFamily) -> u8 {
        let ready = self.of(family);
        let count = ready.next_count;
        ready.next_count = count.saturating_mul(2).min(limits::PORT_SOCKETS_READY);
        count
    }

    /// Takes in new ones; gives back what is too many, if several asked at once.
    pub(super) fn put(&mut self, family: SocketFamily, mut sockets: Vec<OwnedFd>) -> Vec<OwnedFd> {
        let ready = self.of(family);
        ready.sockets.append(&mut sockets);
        let most = usize::from(limits::PORT_SOCKETS_READY).min(ready.sockets.len());
        ready.sockets.split_off(most)
    }

    /// Takes out what was not used while it was fresh.
    pub(super) fn take_unused(&mut self, is_fresh: impl Fn(Instant) -> bool) -> Vec<OwnedFd> {
        let old = [&mut self.v4, &mut self.v6].into_iter().filter(|ready| !is_fresh(ready.used_at));
        old.flat_map(|ready| std::mem::take(ready).sockets).collect()
    }

    fn of(&mut self, family: SocketFamily) -> &mut Ready {
        match family {
            SocketFamily::V4 => &mut self.v4,
            SocketFamily::V6 => &mut self.v6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> Vec<OwnedFd> {
        (0..count).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect()
    }

    #[test]
    fn batches_grow_with_use_and_a_rest_makes_them_small_again() {
        let mut stock = Stock::default();
        assert!(stock.take(SocketFamily::V4).is_none());
        let counts: Vec<u8> = (0..6).map(|_| stock.next_count(SocketFamily::V4)).collect();
        assert_eq!(counts, [4, 8, 16, 32, 64, 64]);
        assert_eq!(stock.put(SocketFamily::V4, some(70)).len(), 6);
        assert!(stock.take(SocketFamily::V6).is_none() && stock.take(SocketFamily::V4).is_some());
        assert_eq!(stock.take_unused(|_| true).len(), 0);
        assert_eq!(stock.take_unused(|_| false).len(), 63);
        assert_eq!(stock.next_count(SocketFamily::V4), 4);
    }
}
