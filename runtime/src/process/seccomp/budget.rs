//! How much a profile may grow in libseccomp, which multiplies conditions on several arguments of one call out: eight
//! rules of six conditions can take it seconds, and 32 for ever.
//!
//! The time goes into the last step, the instructions, where nothing can stop it. The same rules as text take a
//! thousandth of that, and their length says what is to come: a second or two for 96 KiB of conditions, while those of
//! Docker's profile take one.

use std::fs::File;
use std::io;

use libseccomp::ScmpFilterContext;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::CompileError;

/// What conditions may take on all architectures together, in bytes of text.
const CONDITIONS: u64 = 96 << 10;
/// What a call without conditions takes on one.
const NAME: u64 = 128;
/// With fewer conditions than this nothing can grow out of bounds.
const FIRST_LOOK: usize = 8;

/// Counts what goes into a filter.
pub(super) struct Budget {
    architectures: u64,
    plain: u64,
    conditions: usize,
}

impl Budget {
    /// Of a filter for this many architectures.
    pub(super) fn new(architectures: usize) -> Self {
        Self { architectures: architectures.max(1) as u64, plain: 0, conditions: 0 }
    }

    /// To be told of each rule for one call that was added, with the number of its conditions.
    ///
    /// # Errors
    /// When what is there is too much already. It is looked at only when it has doubled.
    pub(super) fn add(&mut self, context: &ScmpFilterContext, conditions: usize) -> Result<(), CompileError> {
        self.plain += u64::from(conditions == 0);
        let before = self.conditions;
        self.conditions += conditions;
        if self.conditions >= FIRST_LOOK && self.conditions.ilog2() != before.max(1).ilog2() {
            return self.check(context);
        }
        Ok(())
    }

    /// The last look, when every rule is there.
    ///
    /// # Errors
    /// When it is too much.
    pub(super) fn check(&self, context: &ScmpFilterContext) -> Result<(), CompileError> {
        if self.conditions < FIRST_LOOK {
            return Ok(());
        }
        let text = File::from(memfd_create(c"seccomp", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?);
        context.export_pfc(&text)?;
        let most = CONDITIONS + self.architectures * self.plain * NAME;
        if text.metadata()?.len() > most { Err(CompileError::TooInvolved(self.conditions)) } else { Ok(()) }
    }
}
