//! Where an app sends its visitor: addresses of the app itself, as it knows them, become those of its port.

use super::visit::Visit;

/// The address in a `Location`, if it must be another one.
pub(super) fn moved(target: &str, visit: &Visit) -> Option<String> {
    let target = target.trim();
    let prefix = visit.prefix.as_deref().unwrap_or_default();
    if let Some(path) = path_at_app(target, visit) {
        // Below a path, and where the app knows itself by another name, only the path is right.
        let same = prefix.is_empty() && target == path;
        return (!same).then(|| format!("{prefix}{path}"));
    }
    None
}

/// As [`moved`], for `Refresh: SECONDS; url=ADDRESS`.
pub(super) fn refresh(text: &str, visit: &Visit) -> Option<String> {
    let (wait, rest) = text.split_once([';', ','])?;
    let (name, address) = rest.split_once('=')?;
    let is_url = name.trim().eq_ignore_ascii_case("url");
    let address = address.trim().trim_matches(['"', '\'']);
    let moved = moved(address, visit).filter(|_| is_url)?;
    Some(format!("{}; url={moved}", wait.trim()))
}

/// Path and query of an address of the app itself; `None` for a relative one and for those of others.
fn path_at_app<'a>(target: &'a str, visit: &Visit) -> Option<&'a str> {
    if let Some(rest) = target.strip_prefix("//") {
        return at_authority(rest, visit);
    }
    if target.starts_with('/') {
        return Some(target);
    }
    let rest = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"))?;
    at_authority(rest, visit)
}

fn at_authority<'a>(rest: &'a str, visit: &Visit) -> Option<&'a str> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let own = [&visit.own_host(), &format!("127.0.0.1:{}", visit.port), &format!("0.0.0.0:{}", visit.port)];
    let is_app = authority.eq_ignore_ascii_case(visit.host()) || own.iter().any(|host| *host == authority);
    match path {
        _ if !is_app => None,
        "" => Some("/"),
        // A path of the host, and never what a browser takes for another host.
        _ if path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\") => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::visit::tests::visit;

    #[test]
    fn in_the_path_form_everything_of_the_app_stays_below_its_path() {
        let visit = visit(Some("/port/t/80"));
        let moved = |target| moved(target, &visit);
        assert_eq!(moved("/login?next=/").as_deref(), Some("/port/t/80/login?next=/"));
        assert_eq!(moved("http://play.example:8080/x").as_deref(), Some("/port/t/80/x"));
        assert_eq!(moved("http://localhost:80").as_deref(), Some("/port/t/80/"));
        assert_eq!(moved("//play.example:8080/x").as_deref(), Some("/port/t/80/x"));
        assert_eq!(
            (moved("login"), moved("https://other.example/"), moved("//evil.example/")),
            (None, None, None)
        );
        assert_eq!(refresh("3; URL='/x'", &visit).as_deref(), Some("3; url=/port/t/80/x"));
        assert_eq!(refresh("3", &visit), None);
    }

    #[test]
    fn in_the_host_form_only_other_names_of_the_app_are_moved() {
        let visit = visit(None);
        assert_eq!(moved("/login", &visit), None);
        assert_eq!(moved("http://localhost:80/a?b", &visit).as_deref(), Some("/a?b"));
        assert_eq!(moved("http://localhost:80//evil.example", &visit), None);
        assert_eq!(moved("http://localhost:80/\\evil.example", &visit), None);
        assert_eq!(moved("http://localhost:81/a", &visit), None);
    }
}
