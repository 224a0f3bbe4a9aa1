//! The site's certificate, where one is configured.

use sandlot_runtime::doctor::{Check, Status};
use sandlot_runtime::supervisor::node::TlsFiles;
use time::OffsetDateTime;

use crate::tls::{Content, Pair};

const NAME: &str = "tls";
/// Programs that renew certificates do it well before.
const FEW_DAYS: i64 = 14;

/// Whether the files can be read, belong together, and for how long.
pub(super) fn check(files: &TlsFiles) -> Check {
    match Content::read(files).and_then(Pair::parse) {
        Ok(pair) => days_left(pair.ends_at()),
        Err(error) => {
            let advice = "point --tls-cert and --tls-key at a certificate in PEM and its own key";
            said(Status::Fail, error.to_string(), Some(advice))
        }
    }
}

fn days_left(ends_at: Option<OffsetDateTime>) -> Check {
    let advice = "renew the certificate; serve reads the new one by itself";
    match ends_at.map(|end| (end - OffsetDateTime::now_utc()).whole_seconds().div_euclid(86_400)) {
        None => said(Status::Ok, "the certificate and its key fit".to_owned(), None),
        Some(days) if days < 0 => said(Status::Warn, "the certificate has expired".to_owned(), Some(advice)),
        Some(days) => {
            let is_late = days < FEW_DAYS;
            let finding = format!("the certificate and its key fit, for {days} days more");
            said(if is_late { Status::Warn } else { Status::Ok }, finding, is_late.then_some(advice))
        }
    }
}

fn said(status: Status, finding: String, advice: Option<&str>) -> Check {
    Check { name: NAME, status, finding, advice: advice.map(str::to_owned) }
}
