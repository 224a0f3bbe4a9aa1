//! The API's description for programs: `server/openapi.json`, embedded.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// The document.
pub const DOCUMENT: &str = include_str!("../../openapi.json");

/// `GET /api/v1/openapi.json`
pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use super::DOCUMENT;
    use crate::error::ErrorKind;
    use crate::http::problem;
    use crate::http::router::API_ROUTES;
    use serde_json::Value;

    #[test]
    fn every_route_is_described_and_every_reference_holds() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        for (path, methods) in API_ROUTES {
            for method in methods {
                let operation = &document["paths"][path][method.as_str().to_lowercase()];
                assert!(operation["summary"].is_string(), "{method} {path} is not described");
            }
        }
        check_references(&document, &document);
    }

    fn check_references(document: &Value, part: &Value) {
        if let Some(reference) = part["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference} is not in the document");
        }
        match part {
            Value::Object(fields) => fields.values().for_each(|field| check_references(document, field)),
            Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
            _ => {}
        }
    }

    #[test]
    fn every_error_has_its_own_type_and_an_error_status() {
        let slugs: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), ErrorKind::ALL.len());
        assert!(ErrorKind::ALL.iter().all(|kind| problem::status(*kind).0.as_u16() >= 400));
    }
}
