//! Who is let through to a port.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, COOKIE, HOST, HeaderValue, ORIGIN, SET_COOKIE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::address::{Address, Form};
use super::body::Body;
use super::page::{self, Page};
use super::visit::Visit;
use super::{Proxy, nowhere};
use crate::auth::access::Proof;
use crate::auth::cookie;
use crate::auth::token::Token;
use crate::config::limits;
use crate::session::ports::access::Errand;
use crate::session::ports::{InstancePorts, Visibility};

/// Where the owner of a private port comes back to its host, in the app's own paths.
const RETURN_PATH: &str = "/.well-known/sandlot-port";

/// An answer instead of the app's.
type Refusal = Box<Response<Body>>;

impl Proxy {
    /// Lets a request through, or answers it.
    pub(super) fn admit(
        &self,
        address: &Address,
        request: &Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Visit, Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Box::new(Page::NO_WAY_THROUGH.present(request.headers())));
        }
        let sessions = &self.app.sessions;
        let by_token = sessions.ports_by_hash(&address.hash);
        let by_grant = match (&address.form, address.port) {
            (Form::Path { .. }, Some(port)) => sessions.granted_by_hash(&address.hash, port),
            _ => None,
        };
        let granted = by_grant.is_some();
        let headers = request.headers();
        let (Some(ports), Some(port)) = (by_grant.or(by_token), address.port) else {
            return Err(Box::new(nowhere(headers)));
        };
        let visit = self.visit(address, request, peer, ports, port);
        self.check_form(&visit, request)?;
        match visit.setting.visibility {
            Visibility::Closed => Err(Box::new(Page::CLOSED.present(headers))),
            Visibility::Private if !granted => self.admit_owner(&visit, request).map(|()| visit),
            Visibility::Private | Visibility::Link => Ok(visit),
        }
    }

    fn visit(
        &self,
        address: &Address,
        request: &Request<Incoming>,
        peer: SocketAddr,
        ports: Arc<InstancePorts>,
        port: u16,
    ) -> Visit {
        let host = match request.uri().authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => request.headers().get(HOST).filter(|host| host.to_str().is_ok()).cloned(),
        };
        Visit {
            setting: ports.setting(port),
            ports,
            port,
            prefix: match &address.form {
                Form::Host => None,
                Form::Path { prefix } => Some(prefix.clone()),
            },
            scheme: if self.app.is_https(request.headers()) { "https" } else { "http" },
            host: host.unwrap_or(HeaderValue::from_static("")),
            peer: peer.ip().to_canonical(),
            trusts_peer: self.app.config.trusted_proxies.trusts(peer.ip().to_canonical()),
        }
    }

    /// What the path form cannot be, and what it must not be used for.
    fn check_form(&self, visit: &Visit, request: &Request<Incoming>) -> Result<(), Refusal> {
        let Some(prefix) = &visit.prefix else { return Ok(()) };
        let headers = request.headers();
        let path = request.uri().path();
        if path == prefix {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            let to = format!("{prefix}/{query}");
            return Err(Box::new(page::redirect(StatusCode::PERMANENT_REDIRECT, &to)));
        }
        let takes_over = headers.contains_key("service-worker");
        // Our own pages load nothing from here; what seems to is a script of an app in one of them.
        let is_own = text(headers, "sec-fetch-site") == Some("same-origin");
        if takes_over || (is_own && text(headers, "sec-fetch-mode") != Some("navigate")) {
            return Err(Box::new(Page::NEEDS_HOST.present(headers)));
        }
        Ok(())
    }

    /// A private port: the owner's cookie, a grant that stands in for it, or the way to one.
    fn admit_owner(&self, visit: &Visit, request: &Request<Incoming>) -> Result<(), Refusal> {
        let headers = request.headers();
        if visit.prefix.is_none() && request.uri().path() == RETURN_PATH {
            return Err(Box::new(self.welcome_back(visit, request)));
        }
        let is_owner = session_cookie(headers, visit)
            .is_some_and(|token| visit.ports.prove(Proof::Cookie(token)).is_some());
        let is_browser = headers.contains_key("sec-fetch-mode");
        match &visit.prefix {
            Some(_) if is_owner && is_navigation(request) && is_browser => self.grant_path(visit, request),
            Some(_) if is_owner && !is_browser => Ok(()),
            None if (is_owner || self.holds_grant(headers, visit)) && is_from_app(request, visit) => Ok(()),
            None if is_navigation(request) => self.send_to_site(visit, request),
            _ => Err(Box::new(Page::PRIVATE.present(headers))),
        }
    }

    fn holds_grant(&self, headers: &HeaderMap, visit: &Visit) -> bool {
        let name = cookie::port_grant(visit.scheme == "https");
        let mut grants = cookie::find_all(cookies(headers), &name).take(limits::PORT_COOKIES);
        grants.any(|grant| {
            let granted = self.app.sessions.granted(grant, visit.port);
            granted.is_some_and(|ports| Arc::ptr_eq(&ports, &visit.ports))
        })
    }

    /// In the path form a grant takes the token's place: a sandboxed page sends no cookies.
    fn grant_path(&self, visit: &Visit, request: &Request<Incoming>) -> Result<(), Refusal> {
        let answer = match self.app.sessions.grant(&visit.ports, visit.port) {
            Ok(grant) => {
                let rest = rest(request, visit);
                let to = format!("/port/{}/{}{rest}", grant.expose(), visit.port);
                page::redirect(StatusCode::SEE_OTHER, &to)
            }
            Err(_) => Page::BUSY.present(request.headers()),
        };
        Err(Box::new(answer))
    }

    /// The site knows by its cookie who the visitor is.
    fn send_to_site(&self, visit: &Visit, request: &Request<Incoming>) -> Result<(), Refusal> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let errand =
            Errand { ports: Arc::clone(&visit.ports), port: visit.port, origin: visit.origin(), path };
        let answer = match self.app.sessions.ask(errand) {
            Ok(ask) => {
                let site = self.app.sessions.site_of(visit.ports.session());
                let site = site.unwrap_or_else(|| format!("http://{}", self.app.address));
                page::redirect(StatusCode::SEE_OTHER, &format!("{site}/port-access?ask={}", ask.expose()))
            }
            Err(_) => Page::BUSY.present(request.headers()),
        };
        Err(Box::new(answer))
    }

    /// The owner comes back from the site: the grant becomes a cookie of this host.
    fn welcome_back(&self, visit: &Visit, request: &Request<Incoming>) -> Response<Body> {
        let ticket = request.uri().query().and_then(|query| query.strip_prefix("ticket="));
        let errand = ticket.and_then(|ticket| self.app.sessions.redeem_port_ticket(ticket));
        let errand =
            errand.filter(|errand| Arc::ptr_eq(&errand.ports, &visit.ports) && errand.port == visit.port);
        let Some(errand) = errand else { return Page::PRIVATE.present(request.headers()) };
        let Ok(grant) = self.app.sessions.grant(&visit.ports, visit.port) else {
            return Page::BUSY.present(request.headers());
        };
        let is_https = visit.scheme == "https";
        let (name, secure) = (cookie::port_grant(is_https), if is_https { "; Secure" } else { "" });
        let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", grant.expose());
        // A whole address: a path that begins with two slashes would name another host.
        let to = format!("{}{}", visit.origin(), errand.path);
        let mut response = page::redirect(StatusCode::SEE_OTHER, &to);
        response.headers_mut().extend(HeaderValue::try_from(cookie).ok().map(|cookie| (SET_COOKIE, cookie)));
        response
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok())
}

fn session_cookie(headers: &HeaderMap, visit: &Visit) -> Option<Token> {
    let name = cookie::name(visit.ports.session().as_str(), visit.scheme == "https");
    cookie::find(cookies(headers), &name).and_then(Token::presented)
}

/// Whether a person goes there, by an address or a link.
fn is_navigation(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let goes = match text(headers, "sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => {
            headers.get(ACCEPT).is_some_and(|value| value.to_str().is_ok_and(|v| v.contains("text/html")))
        }
    };
    goes && request.method() == Method::GET
}

/// Whether a request comes from the app's own pages or from a person: ports of one domain are one site, so the browser
/// sends the grant with the requests of another port's pages, too.
fn is_from_app(request: &Request<Incoming>, visit: &Visit) -> bool {
    let headers = request.headers();
    let own_origin =
        text(headers, ORIGIN.as_str()).is_none_or(|origin| origin.eq_ignore_ascii_case(&visit.origin()));
    let own_site = text(headers, "sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    (own_origin && own_site) || is_navigation(request)
}

/// The app's own path with its query.
fn rest<'a>(request: &'a Request<Incoming>, visit: &Visit) -> &'a str {
    let whole = request.uri().path_and_query().map_or("/", |path| path.as_str());
    visit.prefix.as_deref().and_then(|prefix| whole.strip_prefix(prefix)).unwrap_or("/")
}
