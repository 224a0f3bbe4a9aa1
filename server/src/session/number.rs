//! Numbers of live sessions. The lowest free one is given: the node's ranges of ids end soon above as many as it may hold.

use std::collections::BTreeSet;

use sandlot_runtime::supervisor::name::SessionNumber;

/// Numbers in use.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    used: BTreeSet<u32>,
}

impl Numbers {
    /// A number that nobody holds.
    pub(super) fn take(&mut self) -> Option<SessionNumber> {
        let number = (1..=SessionNumber::MAX).find(|number| !self.used.contains(number))?;
        self.used.insert(number);
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

    /// A node of few sessions has few ranges of ids, however many sessions it has had.
    #[test]
    fn a_free_number_is_given_again() {
        let mut numbers = Numbers::default();
        for _ in 0..2000 {
            let number = numbers.take().unwrap();
            assert_eq!(number.get(), 1);
            numbers.give_back(number);
        }
        assert_eq!(
            [numbers.take(), numbers.take()].map(|taken| taken.map(SessionNumber::get)),
            [Some(1), Some(2)]
        );
    }

    #[test]
    fn numbers_run_out() {
        let mut numbers = Numbers { used: (1..=SessionNumber::MAX).collect() };
        assert_eq!(numbers.take(), None);
    }
}
