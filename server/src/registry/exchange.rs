//! A request with everything around it: tokens and credentials when they are asked for, tries, errors by kind.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};

use super::backoff::{Backoff, retry_after};
use super::error::Said;
use super::pace::Body;
use super::site::{Site, shown_host};
use super::token::{Grant, Proof};
use super::transport::Call;
use super::{Challenge, Client, Credential, Error};

/// Longest answer of a token server, and longest text of an error, in bytes.
const MAX_SMALL_BODY: usize = 64 * 1024;
/// How long a password is sent without being asked for it again.
const PASSWORD_LIFE: Duration = Duration::from_secs(3600);
/// Tries at a mirror: the registry itself is the better retry.
const MIRROR_RETRIES: u32 = 1;

/// A failed try: the error, and when the registry wants to be asked again.
type Failure = (Error, Option<Duration>);

impl Client {
    /// Sends it until it succeeds or there is no point in trying again.
    ///
    /// # Errors
    /// By kind; the answer given back always has a status of success.
    pub(super) async fn send(&self, site: &Site, scope: &str, call: &Call) -> Result<Response, Error> {
        let retries = self.retries(site);
        let mut backoff = Backoff::new(&self.shared.transport.timing, retries);
        loop {
            let (error, wait) = match self.attempt(site, scope, call).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => self.refusal(response, &call.what, site).await,
                Err(error) => (error, None),
            };
            let again = error.is_transient() || matches!(error, Error::RateLimited { .. });
            let Some(wait) = again.then(|| backoff.next(wait)).flatten() else { return Err(error) };
            tracing::debug!(host = site.host, %error, ?wait, "ask the registry again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Tries after the first.
    pub(super) fn retries(&self, site: &Site) -> u32 {
        let own = self.shared.transport.timing.attempts.saturating_sub(1);
        if site.mirror { own.min(MIRROR_RETRIES) } else { own }
    }

    /// As [`Self::send`], but what is not there is no error.
    pub(super) async fn find(
        &self,
        site: &Site,
        scope: &str,
        call: &Call,
    ) -> Result<Option<Response>, Error> {
        match self.send(site, scope, call).await {
            Ok(response) => Ok(Some(response)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One try; once more with a fresh proof if the registry asks for one. The answer may have any status.
    async fn attempt(&self, site: &Site, scope: &str, call: &Call) -> Result<Response, Error> {
        let transport = &self.shared.transport;
        let held = self.proof(site, scope, &call.url);
        let response = transport.follow(site, call, held.as_ref().map(Proof::header)).await?;
        let asked_here = site.is_home(&call.url) && site.is_home(response.url());
        if response.status() != StatusCode::UNAUTHORIZED || !asked_here {
            return Ok(response);
        }
        self.tokens.forget(&site.host, scope);
        let Some(proof) = self.prove(site, scope, &response, &call.what).await? else { return Ok(response) };
        self.tokens.put(&site.host, scope, proof.clone());
        transport.follow(site, call, Some(proof.header())).await
    }

    /// The proof that goes with a request to this URL, where one is held already. Another origin gets none.
    pub(super) fn proof(&self, site: &Site, scope: &str, url: &Url) -> Option<Proof> {
        site.is_home(url).then(|| self.tokens.get(&site.host, scope)).flatten()
    }

    /// Answers the challenge of a registry; `None` if we have no answer.
    async fn prove(
        &self,
        site: &Site,
        scope: &str,
        asked: &Response,
        what: &str,
    ) -> Result<Option<Proof>, Error> {
        let headers = asked.headers().get_all(WWW_AUTHENTICATE);
        let challenges: Vec<Challenge> =
            headers.iter().filter_map(|value| value.to_str().ok()).flat_map(Challenge::parse).collect();
        let by = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        match (by("bearer"), by("basic"), self.credential(site)) {
            (Some(challenge), _, _) => self.fetch_token(site, scope, challenge, what).await.map(Some),
            (None, Some(_), Some(Credential::Password { user, password })) => {
                Ok(Proof::new(&basic(user, password), PASSWORD_LIFE))
            }
            _ => Ok(None),
        }
    }

    /// Asks the token server that the registry named; wherever that is, it is reached by the same rules.
    async fn fetch_token(
        &self,
        site: &Site,
        scope: &str,
        challenge: &Challenge,
        what: &str,
    ) -> Result<Proof, Error> {
        let against = |detail: &str| Error::Protocol {
            what: what.to_owned(),
            host: site.host.clone(),
            detail: detail.to_owned(),
        };
        let realm = challenge.parameter("realm").and_then(|realm| Url::parse(realm).ok());
        let realm = realm.ok_or_else(|| against("its challenge names no token server"))?;
        let what = format!("token for {what}");
        let (call, authorization) = token_call(realm, challenge, scope, self.credential(site), &what);
        let response = self.shared.transport.follow(site, &call, authorization.as_ref()).await?;
        let server = Site { host: shown_host(&call.url), ..site.clone() };
        if !response.status().is_success() {
            return Err(self.refusal(response, &what, &server).await.0);
        }
        let body = Body::new(response, &self.shared.transport.timing, &what, &server.host)
            .read(MAX_SMALL_BODY)
            .await?;
        let grant = serde_json::from_slice::<Grant>(&body).ok().and_then(|grant| grant.proof());
        grant.ok_or_else(|| against("its token server gives no token"))
    }

    /// The error that an answer is.
    pub(super) async fn refusal(&self, response: Response, what: &str, site: &Site) -> Failure {
        let status = response.status();
        let wait = retry_after(response.headers());
        let timing = &self.shared.transport.timing;
        // An error whose text cannot be read is still that error.
        let body =
            Body::new(response, timing, what, &site.host).read(MAX_SMALL_BODY).await.unwrap_or_default();
        (kind(status, what.to_owned(), site.host.clone(), Said::read(&body), wait), wait)
    }
}

fn kind(status: StatusCode, what: String, host: String, said: Said, retry_after: Option<Duration>) -> Error {
    let limited = said.has_code("TOOMANYREQUESTS");
    let status = status.as_u16();
    match status {
        429 => Error::RateLimited { host, retry_after, said },
        _ if limited => Error::RateLimited { host, retry_after, said },
        401 => Error::Unauthorized { what, host, said },
        403 => Error::Denied { what, host, said },
        404 => Error::NotFound { what, host, said },
        408 | 500..600 => Error::Failing { what, host, status, said },
        400..500 => Error::Rejected { what, host, status, said },
        _ => Error::Protocol { what, host, detail: format!("status {status} makes no sense here") },
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The request for a token: with a password as `GET`, with an identity token as OAuth2 has it.
fn token_call(
    mut realm: Url,
    challenge: &Challenge,
    scope: &str,
    credential: Option<&Credential>,
    what: &str,
) -> (Call, Option<HeaderValue>) {
    let service = challenge.parameter("service").unwrap_or_default();
    let scopes = scopes(challenge.parameter("scope").unwrap_or_default(), scope);
    if let Some(Credential::IdentityToken(token)) = credential {
        let mut form = realm.clone();
        form.query_pairs_mut().clear().extend_pairs([
            ("grant_type", "refresh_token"),
            ("service", service),
            ("client_id", "sandlot"),
            ("scope", &scopes.join(" ")),
            ("refresh_token", token),
        ]);
        let mut call = Call::new(Method::POST, realm, what);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        call.body = form.query().unwrap_or_default().to_owned().into();
        return (call, None);
    }
    let pairs = scopes.iter().map(|scope| ("scope", scope.as_str()));
    realm.query_pairs_mut().append_pair("service", service).extend_pairs(pairs);
    let authorization = match credential {
        Some(Credential::Password { user, password }) => Proof::new(&basic(user, password), PASSWORD_LIFE),
        _ => None,
    };
    (Call::new(Method::GET, realm, what), authorization.map(|proof| proof.header().clone()))
}

/// What the registry wants a token for, and what we will use it for, each once.
fn scopes(asked: &str, own: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for scope in asked.split(' ').chain(own.split(' ')).filter(|scope| !scope.is_empty()) {
        if !all.iter().any(|other| other == scope) {
            all.push(scope.to_owned());
        }
    }
    all
}

/// The right to read a repository.
pub(super) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// The right to write to it.
pub(super) fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}
