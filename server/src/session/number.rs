//! Numbers of live sessions. A number that became free is used again as late as possible.

use std::collections::BTreeSet;

use sandlot_runtime::supervisor::name::SessionNumber;

/// Numbers in use.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    used: BTreeSet<u32>,
    last: u32,
}

impl Numbers {
    /// A number that nobody holds.
    pub(super) fn take(&mut self) -> Option<SessionNumber> {
        let after = self.last + 1..=SessionNumber::MAX;
        let number = after.chain(1..=self.last).find(|number| !self.used.contains(number))?;
        self.used.insert(number);
        self.last = number;
        SessionNumber::try_from(number).ok()
    }

    /// This one is held by a session that is known already.
    pub(super) fn take_this(&mut self, number: SessionNumber) {
        self.used.insert(number.get());
    }

    /// Nobody holds it any more.
    pub(super) fn give_back(&mut self, number: SessionNumber) {
        self.used.remove(&number.get());
    }

    /// Whether somebody holds it.
    pub(super) fn holds(&self, number: SessionNumber) -> bool {
        self.used.contains(&number.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_last() {
        let mut numbers = Numbers::default();
        let one = numbers.take().unwrap();
        numbers.give_back(one);
        assert_eq!(numbers.take().map(SessionNumber::get), Some(2));
        for _ in 3..=SessionNumber::MAX {
            numbers.take().unwrap();
        }
        assert_eq!(numbers.take(), Some(one));
        assert_eq!(numbers.take(), None);
    }
}
