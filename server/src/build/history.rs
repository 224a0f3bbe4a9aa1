//! How an image came about, and when (OCI image spec, "history").

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The clock of a build: the real one, or always the time that SOURCE_DATE_EPOCH says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) fixed: Option<i64>,
}

impl Clock {
    /// As SOURCE_DATE_EPOCH says it, if it is given.
    ///
    /// # Errors
    /// With a sentence when it is no number of seconds.
    pub(super) fn read(epoch: Option<&str>) -> Result<Self, String> {
        let number = |text: &str| {
            let seconds =
                text.parse::<i64>().ok().filter(|s| OffsetDateTime::from_unix_timestamp(*s).is_ok());
            seconds.ok_or_else(|| format!("SOURCE_DATE_EPOCH `{text}`: must be seconds since 1970"))
        };
        Ok(Self { fixed: epoch.filter(|text| !text.is_empty()).map(number).transpose()? })
    }

    /// Now, as documents write it.
    pub(super) fn now(self) -> String {
        let fixed = self.fixed.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        // Every time of a build can be written so.
        fixed.unwrap_or_else(OffsetDateTime::now_utc).format(&Rfc3339).unwrap_or_default()
    }
}

/// One entry; `layer` says whether the step has one.
pub(super) fn entry(clock: Clock, created_by: &str, layer: bool) -> Value {
    let mut entry = json!({ "created": clock.now(), "created_by": created_by, "comment": "sandlot build" });
    if let (false, Some(object)) = (layer, entry.as_object_mut()) {
        object.insert("empty_layer".to_owned(), json!(true));
    }
    entry
}
