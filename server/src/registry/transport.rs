//! One request, to where it may go: redirects are followed by us, hop by hop, and each URL is checked before it is asked.

mod failure;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use super::address::{Reach, Trust, is_loopback};
use super::error::chain;
use super::names::{Filtered, Names};
use super::site::{Site, shown_host};
use super::{Error, Settings, Timing, tls};

pub(super) use failure::failed;

/// Most redirects of one request. Registries need one, for their storage.
const MAX_REDIRECTS: u32 = 5;
/// Kept for the next transfers from one host.
const IDLE_CONNECTIONS: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(30);

/// A request that can be sent again.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// How.
    pub(super) method: Method,
    /// Where, at first.
    pub(super) url: Url,
    /// What goes with it; never credentials.
    pub(super) headers: HeaderMap,
    /// What it sends.
    pub(super) body: Bytes,
    /// What is asked for, in messages.
    pub(super) what: String,
    /// Whether it may go without TLS wherever it goes: a person chose the URL, and it carries nothing.
    pub(super) plain: bool,
}

impl Call {
    /// A request without headers and body.
    pub(super) fn new(method: Method, url: Url, what: &str) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            what: what.to_owned(),
            plain: false,
        }
    }
}

/// The HTTP clients, and who may go where.
#[derive(Debug)]
pub(super) struct Transport {
    /// Reaches everything: for what the asker may reach by their own choice.
    any: reqwest::Client,
    /// Reaches everything, never by a proxy: for this host, which a proxy would take for itself.
    local: reqwest::Client,
    /// Reaches what `guard` allows: for what a registry or a session chose.
    guarded: reqwest::Client,
    guard: Reach,
    names: Arc<Names>,
    trust: Trust,
    mirrors: HashSet<(String, u16)>,
    plain_http: Vec<String>,
    pub(super) timing: Timing,
}

impl Transport {
    /// Reads the certificates and the resolver's files.
    pub(super) fn new(settings: &Settings, trust: Trust) -> Result<Self, Error> {
        let guard = match trust {
            Trust::Operator => Reach::NotLocal,
            Trust::Session => Reach::Public(settings.allow.clone()),
        };
        let names = Arc::new(Names::new(&settings.name_servers)?);
        let tls = tls::config(&settings.authorities)?;
        // A proxy would look up names for a session, behind our rules.
        let by_proxy = trust == Trust::Operator;
        let client = |reach: Reach, by_proxy: bool| {
            let names = Filtered { names: Arc::clone(&names), reach };
            client(tls.clone(), names, by_proxy, &settings.timing)
        };
        let mirrors: Vec<&Url> = settings.mirrors.values().flatten().collect();
        let plain = mirrors.iter().filter(|url| url.scheme() == "http").map(|url| place_name(url));
        Ok(Self {
            any: client(Reach::Any, by_proxy)?,
            local: client(Reach::Any, false)?,
            guarded: client(guard.clone(), by_proxy)?,
            guard,
            trust,
            mirrors: mirrors.iter().filter_map(|url| place(url)).collect(),
            plain_http: plain
                .chain(settings.plain_http.iter().map(|host| host.to_ascii_lowercase()))
                .collect(),
            timing: settings.timing.clone(),
            names,
        })
    }

    /// Sends it, and follows redirects. `authorization` goes to the origin of the call's own URL only.
    pub(super) async fn follow(
        &self,
        site: &Site,
        call: &Call,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Error> {
        let mut url = call.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let trusted = url.origin() == call.url.origin();
            let mut headers = call.headers.clone();
            if let Some(value) = authorization.filter(|_| trusted) {
                headers.insert(AUTHORIZATION, value.clone());
            }
            let body = (!call.body.is_empty()).then(|| call.body.clone().into());
            let hop = Call { url: url.clone(), headers, body: Bytes::new(), ..call.clone() };
            let sent = self.hop(site, hop, body);
            let patience = if call.body.is_empty() { self.timing.answer } else { self.timing.commit };
            let response = self.in_time(patience, &call.what, &url, sent).await?;
            match self.next(site, call, &url, &response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(protocol(&call.what, &url, format!("it redirects more than {MAX_REDIRECTS} times")))
    }

    /// Where an answer sends on to; `None` if it is the answer itself.
    fn next(&self, site: &Site, call: &Call, url: &Url, response: &Response) -> Result<Option<Url>, Error> {
        let reads = call.method == Method::GET || call.method == Method::HEAD;
        let follows = match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => reads,
            _ => false,
        };
        if !follows {
            return Ok(None);
        }
        let next = site.location(url, response.headers());
        let next = next.ok_or_else(|| protocol(&call.what, url, "it redirects to no place".to_owned()))?;
        // A body may hold an identity token: nobody else gets it.
        if !call.body.is_empty() && next.origin() != url.origin() {
            return Err(protocol(&call.what, url, "it redirects what is sent to another host".to_owned()));
        }
        Ok(Some(next))
    }

    /// Sends one request with its headers and this body to its URL, if it may go there. Waits for the head of the answer
    /// as long as it takes.
    pub(super) async fn hop(
        &self,
        site: &Site,
        call: Call,
        body: Option<reqwest::Body>,
    ) -> Result<Response, Error> {
        let client = self.client_for(site, &call.url, call.plain).await?;
        let host = shown_host(&call.url);
        let mut request = client.request(call.method, call.url).headers(call.headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|error| failed(&call.what, &host, error))
    }

    /// Bounds the wait for an answer.
    pub(super) async fn in_time<T>(
        &self,
        patience: Duration,
        what: &str,
        url: &Url,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let why = "it did not answer in time";
        let slow = |_| Error::TooSlow { what: what.to_owned(), host: shown_host(url), why };
        tokio::time::timeout(patience, answer).await.map_err(slow)?
    }

    /// The client that may reach this URL, for the sake of the site.
    async fn client_for(&self, site: &Site, url: &Url, plain: bool) -> Result<&reqwest::Client, Error> {
        let mirror = place(url).is_some_and(|place| self.mirrors.contains(&place));
        self.check_scheme(url, plain)?;
        let open = match self.trust {
            Trust::Session => mirror,
            Trust::Operator => mirror || url.host() == site.base.host() || self.is_local(site).await,
        };
        if open {
            return Ok(if names_loopback(url) { &self.local } else { &self.any });
        }
        self.check_host(url)?;
        Ok(&self.guarded)
    }

    /// TLS, or listed. An operator's own loopback needs no listing, as with Docker.
    fn check_scheme(&self, url: &Url, plain: bool) -> Result<(), Error> {
        let listed = || self.is_plain(url) || (self.trust == Trust::Operator && names_loopback(url));
        match url.scheme() {
            "https" => Ok(()),
            "http" if plain || listed() => Ok(()),
            _ => Err(Error::Plain { host: shown_host(url) }),
        }
    }

    /// Whether the URL's host is listed for plain connections.
    pub(super) fn is_plain(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let whole = place_name(url);
        self.plain_http.iter().any(|listed| listed == host || *listed == whole)
    }

    /// What the resolver never sees: a host that is an address, or means one by definition (RFC 6761).
    fn check_host(&self, url: &Url) -> Result<(), Error> {
        let Some(address) = literal(url) else { return Ok(()) };
        match self.guard.refuses(address) {
            Some(why) => Err(Error::Address { host: shown_host(url), address: Some(address), why }),
            None => Ok(()),
        }
    }

    /// Whether the site itself is on this host, so that its answers may name this host as well.
    async fn is_local(&self, site: &Site) -> bool {
        match (literal(&site.base), site.base.host_str()) {
            (Some(address), _) => is_loopback(address),
            (None, Some(host)) => {
                self.names.addresses(host).await.is_ok_and(|found| found.into_iter().any(is_loopback))
            }
            (None, None) => false,
        }
    }
}

/// Whether the URL's host is a loopback address by its text alone.
pub(super) fn names_loopback(url: &Url) -> bool {
    literal(url).is_some_and(is_loopback)
}

/// The address that a URL's host is or means without being looked up.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let name = host.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn place(url: &Url) -> Option<(String, u16)> {
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn place_name(url: &Url) -> String {
    place(url).map(|(host, port)| format!("{host}:{port}")).unwrap_or_default()
}

fn client(
    tls: rustls::ClientConfig,
    names: Filtered,
    by_proxy: bool,
    timing: &Timing,
) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(names))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(timing.connect)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIME)
        .user_agent(concat!("sandlot/", env!("CARGO_PKG_VERSION")));
    let builder = if by_proxy { builder } else { builder.no_proxy() };
    builder.build().map_err(|error| Error::Prepare(chain(&error)))
}

fn protocol(what: &str, url: &Url, detail: String) -> Error {
    Error::Protocol { what: what.to_owned(), host: shown_host(url), detail }
}
