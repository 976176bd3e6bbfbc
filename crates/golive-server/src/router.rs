//! The console as a router: what every answer carries, and which path is which page.
//!
//! Not here: what a page shows (`pages`), who may see it (`access`), and listening (`serve`).

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

use crate::access::{self, Access, OpenAuditError, Visitor};
use crate::acting::Actor;
use crate::look::{Looker, Seeing};
use crate::options::ServerOptions;
use crate::{api, assets, events, pages};

/// What every page works with.
pub(crate) struct Shared {
    pub(crate) options: ServerOptions,
    pub(crate) looker: Looker,
    pub(crate) access: Access,
    pub(crate) watchers: Arc<Semaphore>,
    /// Where operators may act.
    pub(crate) actor: Option<Arc<Actor>>,
}

impl Shared {
    /// The address of a page of the console. Mounted, the first page has no slash at its end: a nested router has no such path.
    pub(crate) fn href(&self, path: &str) -> String {
        let mount = self.options.mount.as_str();
        if path == "/" && !mount.is_empty() { mount.to_owned() } else { format!("{mount}{path}") }
    }

    /// How many watch now.
    pub(crate) fn watching(&self) -> usize {
        self.options.limits.watchers.saturating_sub(self.watchers.available_permits())
    }

    /// The identity of everything that is shown: of the run, and of what the console itself does.
    pub(crate) fn version(&self, seeing: &Seeing) -> String {
        let doing = self.actor.as_ref().map_or(0, |actor| actor.version());
        format!("{}-{doing}", seeing.version)
    }
}

pub(crate) type Site = Arc<Shared>;

/// The console, opened and not served yet.
pub struct Console {
    site: Site,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("base", &self.site.options.base).finish_non_exhaustive()
    }
}

impl Console {
    /// Opens what the console keeps: its audit trail. Runs are only ever read.
    ///
    /// # Errors
    /// When the trail cannot be opened: nobody is let in without one.
    pub async fn open(options: &ServerOptions) -> Result<Self, OpenAuditError> {
        Self::open_at(options, None).await
    }

    pub(crate) async fn open_at(
        options: &ServerOptions,
        listen: Option<SocketAddr>,
    ) -> Result<Self, OpenAuditError> {
        let access = Access::open(options, listen).await?;
        let options = options.clone();
        let looker = Looker::new(options.base.clone(), options.policy.clone());
        let watchers = Arc::new(Semaphore::new(options.limits.watchers));
        let actor = options.acts.clone().map(|acts| Actor::new(acts, &options.base));
        Ok(Self { site: Arc::new(Shared { options, looker, access, watchers, actor }) })
    }

    /// Ends what an operator began, in order, and waits for it: to be awaited before the process ends.
    pub async fn end(&self) {
        if let Some(actor) = &self.site.actor {
            actor.end_and_wait().await;
        }
    }

    /// The path, with its token, that lets in whoever opens it first; for a terminal and for nothing that keeps it.
    #[must_use]
    pub fn entry_path(&self) -> Option<SecretString> {
        self.site.access.entry_path(&self.site.options.mount)
    }

    /// The router, to be nested where [`ServerOptions::mount`] says. It carries its own checks, limits and headers; serve it
    /// with [`into_make_service_with_connect_info`](Router::into_make_service_with_connect_info) of a
    /// [`SocketAddr`], or guessing passwords is slowed down for all who ask together.
    pub fn router(&self) -> Router {
        let site = Arc::clone(&self.site);
        let limits = &site.options.limits;
        let pages = Router::new()
            .route("/", get(pages::overview))
            .route("/gate", get(pages::gate))
            .route("/steps", get(pages::steps))
            .route("/migration", get(pages::migration))
            .route("/history", get(pages::history))
            .route("/access", get(pages::access))
            .route("/run", get(pages::act))
            .route("/run/plan", post(pages::act_plan))
            .route("/run/start", post(pages::act_start))
            .route("/run/resume", post(pages::act_resume))
            .route("/run/end", post(pages::act_end))
            .route("/migrate", get(pages::wizard))
            .route("/migrate/survey", post(pages::wizard_survey))
            .route("/migrate/choose", post(pages::wizard_choose))
            .route("/migrate/write", post(pages::wizard_write))
            .route("/migrate/plan", post(pages::wizard_plan))
            .route("/migrate/run", post(pages::wizard_run))
            .route("/migrate/resume", post(pages::wizard_resume))
            .route("/migrate/switch", post(pages::wizard_switch))
            .route("/migrate/end", post(pages::wizard_end))
            .route("/people", get(pages::people))
            .route("/people/create", post(pages::people_create))
            .route("/people/assign", post(pages::people_assign))
            .route("/people/reissue", post(pages::people_reissue))
            .route("/people/deactivate", post(pages::people_deactivate))
            .route("/report/evidence.tar", get(pages::bundle))
            .route("/report/{form}", get(pages::download))
            .route("/about/{topic}", get(pages::topic))
            .route("/login", get(access::form).post(access::log_in))
            .route("/enter", get(access::enter))
            .route("/logout", post(access::leave))
            .route("/api/v1/status", get(api::status))
            .route("/api/v1/migration/status", get(api::migration_status))
            .route("/api/openapi.json", get(api::document))
            .fallback(nothing_here)
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.request));
        pages
            // A watcher stays: its own end is in its stream.
            .route("/events", get(events::watch))
            .layer(fixed(header::CACHE_CONTROL, "no-store"))
            .route("/assets/{name}", get(assets::serve))
            .layer(middleware::from_fn_with_state(Arc::clone(&site), access::admit))
            .layer(RequestBodyLimitLayer::new(limits.body_bytes))
            .layer(RequestBodyTimeoutLayer::new(limits.request))
            .layer(CatchPanicLayer::custom(broken))
            .layer(fixed(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
            .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            // Not `no-referrer`: a browser then calls its own page `null` on a form, and the form would be refused.
            .layer(fixed(header::REFERRER_POLICY, "same-origin"))
            .layer(fixed(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
            .layer(fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
            .layer(fixed(HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY))
            .with_state(site)
    }
}

/// The console as a router, with its own access checks; [`Console::open`] also tells its entry link.
///
/// # Errors
/// When the audit trail cannot be opened.
pub async fn router(options: &ServerOptions) -> Result<Router, OpenAuditError> {
    Ok(Console::open(options).await?.router())
}

async fn nothing_here(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    pages::problem(&site, &visitor, StatusCode::NOT_FOUND, "problem-missing")
}

/// A bug: said without what it was, which goes to the log.
fn broken(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a page of the console broke");
    (StatusCode::INTERNAL_SERVER_ERROR, "The console has a bug: see the log of golive serve.\n")
        .into_response()
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Nothing but our own files, nothing in the page itself, in nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const PERMISSIONS_POLICY: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
