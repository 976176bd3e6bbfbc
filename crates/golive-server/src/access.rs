//! Who gets in: every request is checked for the name it was sent to, the page it came from and the session it belongs to,
//! before any page sees it.
//!
//! Not here: what a page shows, and how passwords are hashed and guessing is slowed down (golive-auth).

pub(crate) mod audit;
mod login;
mod operators;
mod origin;
mod sessions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;

use axum::Form;
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use golive_auth::{LoginGuard, LoginGuardSettings, PasswordHasher, RolePolicy};
use secrecy::{ExposeSecret, SecretString};

pub use audit::OpenAuditError;
pub(crate) use login::{enter, form, leave, log_in};
pub use operators::{Operator, OperatorsError, OperatorsFile, Role};
pub(crate) use sessions::Session;

use crate::clock;
use crate::i18n::{Language, Words};
use crate::options::ServerOptions;
use crate::pages::problem;
use crate::router::Site;
use audit::Audit;
use origin::Names;
use sessions::{Sessions, digest, is_same, random_token};

/// What a role may do in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Plan, start, take up and end runs.
    Act,
    /// See who may log in, and the state of the audit trail.
    Administer,
}

impl Permission {
    fn as_str(self) -> &'static str {
        match self {
            Self::Act => "run.act",
            Self::Administer => "access.see",
        }
    }
}

/// Everything that decides who gets in.
pub(crate) struct Access {
    names: Names,
    cookies: Cookies,
    sessions: Sessions,
    operators: OperatorsFile,
    /// Good once.
    entry: Mutex<Option<SecretString>>,
    guard: LoginGuard,
    hasher: PasswordHasher,
    roles: RolePolicy,
    audit: Audit,
}

impl Access {
    pub(crate) async fn open(
        options: &ServerOptions,
        listen: Option<SocketAddr>,
    ) -> Result<Self, OpenAuditError> {
        let file: &Path = &options.base.join("console-audit.sqlite");
        Ok(Self {
            names: Names::new(&options.hosts, listen, options.is_secure()),
            cookies: Cookies::new(options, listen),
            sessions: Sessions::new(&options.limits),
            operators: OperatorsFile::new(options.operators_file()),
            entry: Mutex::new(options.entry_link.then(random_token)),
            guard: LoginGuard::new(LoginGuardSettings::default()),
            hasher: PasswordHasher::new(2),
            roles: roles(),
            audit: Audit::open(file).await?,
        })
    }

    /// The path that lets in whoever opens it first.
    pub(crate) fn entry_path(&self, mount: &str) -> Option<SecretString> {
        let entry = self.entry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let token = entry.as_ref()?;
        Some(SecretString::from(format!("{mount}/enter?token={}", token.expose_secret())))
    }

    pub(crate) fn allows(&self, session: &Session, permission: Permission) -> bool {
        self.roles.allows(session.role.as_str(), permission.as_str())
    }

    pub(crate) fn operators(&self) -> &OperatorsFile {
        &self.operators
    }

    /// Makes the hashes of passwords: few at once, each takes memory.
    pub(crate) fn hasher(&self) -> &PasswordHasher {
        &self.hasher
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The session that the request's cookie names, if it lives and its operator is still who they were.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let session = self.sessions.find(self.cookies.read(headers, &self.cookies.session)?, clock::now())?;
        let Some(credential) = session.credential else { return Some(session) };
        // A file that cannot be read lets nobody stay.
        let operators = self.operators.list().ok()?;
        let current = operators.iter().find(|one| operators::is_called(one, &session.name))?;
        let same = digest(&current.password_hash) == credential && current.role == session.role;
        same.then_some(session)
    }
}

/// The roles as data: what is not granted is denied.
fn roles() -> RolePolicy {
    let all = [Permission::Act, Permission::Administer].map(|permission| permission.as_str().to_owned());
    let granted = BTreeMap::from([
        (Role::Viewer.as_str().to_owned(), BTreeSet::new()),
        (Role::Operator.as_str().to_owned(), BTreeSet::from(all.clone())),
    ]);
    RolePolicy::new(all, granted, []).expect("the roles above grant what is listed above")
}

/// Whoever asks, as pages see them.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) words: Words,
    pub(crate) session: Option<Session>,
    /// What a form on the page has to carry.
    pub(crate) csrf: SecretString,
    /// Whether the session may act.
    pub(crate) may_act: bool,
    pub(crate) may_administer: bool,
    /// The path of the page.
    pub(crate) path: String,
    pub(crate) address: IpAddr,
}

/// The fields of a form that was checked to be one of ours.
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The fields whose names start so, by the rest of the name.
    pub(crate) fn starting<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = (&'f str, &'f str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

impl FromRequest<Site> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Response> {
        let Some(visitor) = request.extensions().get::<Visitor>().cloned() else {
            return Err(StatusCode::FORBIDDEN.into_response());
        };
        let form = Form::<Vec<(String, String)>>::from_request(request, site).await;
        let Form(fields) =
            form.map_err(|refused| problem(site, &visitor, refused.status(), "problem-form"))?;
        let fields: HashMap<String, String> = fields.into_iter().collect();
        let given = fields.get("csrf").map_or("", String::as_str);
        if !is_same(given, &visitor.csrf) {
            return Err(problem(site, &visitor, StatusCode::FORBIDDEN, "problem-csrf"));
        }
        Ok(Self(fields))
    }
}

/// Lets a request through to its page, or answers it.
pub(crate) async fn admit(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut fresh = None;
    let visitor = visitor(&site, &parts, &mut fresh);
    let access = &site.access;
    if !access.names.are_meant(&parts) {
        return problem(&site, &visitor, StatusCode::MISDIRECTED_REQUEST, "problem-host");
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !reads && !access.names.is_own_page(&parts.headers) {
        return problem(&site, &visitor, StatusCode::FORBIDDEN, "problem-origin");
    }
    if let Some(language) = chosen_language(&parts).filter(|_| reads) {
        let cookie = access.cookies.lasting(&access.cookies.language, language.tag());
        let back = site.href(&visitor.path);
        return (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, text(&back))])
            .into_response();
    }
    if visitor.session.is_none() && !is_public(parts.uri.path()) {
        return turned_away(&site, &visitor, &parts);
    }
    parts.extensions.insert(visitor);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(secret) = fresh {
        let cookie = access.cookies.of_session(&access.cookies.form, secret.expose_secret());
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What needs no session: coming in, and what the page of coming in looks like.
fn is_public(path: &str) -> bool {
    path == "/login" || path == "/enter" || path.starts_with("/assets/")
}

fn turned_away(site: &Site, visitor: &Visitor, parts: &Parts) -> Response {
    if parts.uri.path().starts_with("/api/") || parts.uri.path() == "/events" {
        return problem(site, visitor, StatusCode::UNAUTHORIZED, "problem-login");
    }
    let login = format!("{}/login", site.options.mount);
    (StatusCode::SEE_OTHER, [(header::LOCATION, text(&login))]).into_response()
}

fn visitor(site: &Site, parts: &Parts, fresh: &mut Option<SecretString>) -> Visitor {
    let access = &site.access;
    let cookies = &access.cookies;
    let session = access.session(&parts.headers);
    let csrf = match &session {
        Some(session) => session.csrf.clone(),
        // Before there is a session, a form belongs to the browser that was given the page.
        None => match cookies.read(&parts.headers, &cookies.form).filter(|known| known.len() >= 64) {
            Some(known) => SecretString::from(known),
            None => fresh.insert(random_token()).clone(),
        },
    };
    if parts.uri.path() != "/login" {
        *fresh = None;
    }
    let chosen = cookies.read(&parts.headers, &cookies.language);
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let may = |permission| session.as_ref().is_some_and(|session| access.allows(session, permission));
    Visitor {
        words: Words::new(Language::of_request(&parts.headers, chosen)),
        may_act: may(Permission::Act),
        may_administer: may(Permission::Administer),
        csrf,
        session,
        path: own_path(parts.uri.path()),
        // Mounted by a service that does not say who asks, all are one: guessing is then slowed down for all.
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    }
}

/// A path that may stand in a link: browsers take two slashes, or one that leans the other way, for the name of a host.
fn own_path(path: &str) -> String {
    let leads_away = path.starts_with("//") || path.contains('\\') || !path.starts_with('/');
    if leads_away { "/".to_owned() } else { path.to_owned() }
}

fn chosen_language(parts: &Parts) -> Option<Language> {
    let query = parts.uri.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Language::of_tag)
}

/// The console's cookies. Browsers do not keep those of two ports of one machine apart, so that the port is in the name.
struct Cookies {
    session: String,
    form: String,
    language: String,
    attributes: String,
}

impl Cookies {
    fn new(options: &ServerOptions, listen: Option<SocketAddr>) -> Self {
        let secure = options.is_secure();
        let prefix = match (secure, options.mount.is_empty()) {
            (true, true) => "__Host-",
            (true, false) => "__Secure-",
            (false, _) => "",
        };
        let port = listen.map(|listen| format!("-{}", listen.port())).unwrap_or_default();
        let name = |what: &str| format!("{prefix}golive-{what}{port}");
        let path = if options.mount.is_empty() { "/" } else { &options.mount };
        let secure = if secure { "; Secure" } else { "" };
        Self {
            session: name("session"),
            form: name("form"),
            language: name("language"),
            attributes: format!("; Path={path}; HttpOnly; SameSite=Strict{secure}"),
        }
    }

    fn read<'h>(&self, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// A cookie that goes when the browser is closed.
    fn of_session(&self, name: &str, value: &str) -> HeaderValue {
        text(&format!("{name}={value}{}", self.attributes))
    }

    fn lasting(&self, name: &str, value: &str) -> HeaderValue {
        text(&format!("{name}={value}{}; Max-Age=31536000", self.attributes))
    }

    fn gone(&self, name: &str) -> HeaderValue {
        text(&format!("{name}={}; Max-Age=0", self.attributes))
    }
}

/// A header's value of what is made here; a path that a client wrote may not be one.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static("/"))
}

/// The SHA-256 of a text in small hexadecimal digits.
pub(crate) fn digest_hex(text: &str) -> String {
    digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
