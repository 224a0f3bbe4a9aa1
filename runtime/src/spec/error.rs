//! What can be wrong with a spec.

/// A spec cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// This runtime does not carry out the field.
    #[error("spec field `{0}`: not supported")]
    Unsupported(String),
    /// The field must be there.
    #[error("spec field `{0}`: missing")]
    Missing(&'static str),
    /// Fields contradict each other, in the words that engines know.
    #[error("{0}")]
    Conflict(String),
    /// The field's value breaks a rule.
    #[error("spec field `{field}`: `{value}` {rule}")]
    Invalid {
        /// Its path in the document.
        field: &'static str,
        /// The value, cut to a bearable length.
        value: String,
        /// The rule.
        rule: &'static str,
    },
}

impl SpecError {
    /// An invalid value.
    pub(crate) fn invalid(field: &'static str, value: impl ToString, rule: &'static str) -> Self {
        Self::Invalid { field, value: value.to_string().chars().take(120).collect(), rule }
    }
}
