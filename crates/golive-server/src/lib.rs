//! The newest report in a browser, read-only, on this machine.
//!
//! What must not be here: a way to change anything. Acting belongs to the command line, where an operator confirms it.
//!
//! ```no_run
//! # async fn run() -> Result<(), golive_server::ServeError> {
//! let options = golive_server::ServerOptions::new(".golive".into());
//! let server = golive_server::bind(&options).await?;
//! println!("http://{}", server.address());
//! server.serve(std::future::pending()).await
//! # }
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use golive_gate::Report;
use thiserror::Error;
use tokio::net::TcpListener;
use tower_http::set_header::SetResponseHeaderLayer;

/// What is served, and where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Folder that holds the runs.
    pub base: PathBuf,
    /// Where to listen; a port of the system's choice on loopback unless given. There is no login, so an address that
    /// others reach is refused.
    pub listen: SocketAddr,
}

impl ServerOptions {
    /// The runs under `base`, on loopback.
    #[must_use]
    pub fn new(base: PathBuf) -> Self {
        Self { base, listen: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

/// Why the console could not be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could reach it.
    #[error("listen on {address}: the console has no login; use a loopback address and a tunnel")]
    NotLoopback {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address is taken or not ours.
    #[error("listen on {address}; choose another with --listen")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Serving broke off.
    #[error("go on serving")]
    Serve(#[source] std::io::Error),
}

/// A bound server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    base: PathBuf,
}

/// Binds the address, so that it is known before anything is served.
///
/// # Errors
/// When the address is not loopback, or taken.
pub async fn bind(options: &ServerOptions) -> Result<Server, ServeError> {
    let address = options.listen;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { address });
    }
    let fail = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok(Server { listener, address, base: options.base.clone() })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `end` is done.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let app = router(self.base);
        axum::serve(self.listener, app).with_graceful_shutdown(end).await.map_err(ServeError::Serve)
    }
}

fn router(base: PathBuf) -> Router {
    let fixed = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .route("/", get(page))
        .route("/report.json", get(document))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
        ))
        .with_state(Arc::new(base))
}

async fn page(State(base): State<Arc<PathBuf>>) -> Response {
    match newest(&base) {
        Some(report) => Html(golive_gate::to_html(&report)).into_response(),
        None => (StatusCode::NOT_FOUND, NOTHING).into_response(),
    }
}

async fn document(State(base): State<Arc<PathBuf>>) -> Response {
    match newest(&base) {
        Some(report) => {
            ([(header::CONTENT_TYPE, "application/json")], golive_gate::to_json(&report)).into_response()
        }
        None => (StatusCode::NOT_FOUND, NOTHING).into_response(),
    }
}

/// A production run's report if there is one, else a rehearsal's.
fn newest(base: &std::path::Path) -> Option<Report> {
    ["runs", "rehearsals"]
        .iter()
        .find_map(|kind| golive::read_latest(&base.join(kind)).ok())
        .map(|(report, _)| report)
}

const NOTHING: &str = "There is no report yet: run `golive rehearse` or `golive run` first.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_report_is_served_and_only_to_this_machine() {
        let base = tempfile::tempdir().unwrap();
        let mut options = ServerOptions::new(base.path().to_owned());
        options.listen = "0.0.0.0:0".parse().unwrap();
        assert!(matches!(bind(&options).await, Err(ServeError::NotLoopback { .. })));

        let server = bind(&ServerOptions::new(base.path().to_owned())).await.unwrap();
        let url = format!("http://{}/report.json", server.address());
        let serving = tokio::spawn(server.serve(std::future::pending()));
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 404);
        let run = base.path().join("rehearsals").join("latest");
        std::fs::create_dir_all(&run).unwrap();
        let report = golive_gate::judge(&[], &[], &golive_gate::Policy::default(), Default::default());
        std::fs::write(run.join("report.json"), golive_gate::to_json(&report)).unwrap();
        let answer = reqwest::get(&url).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.text().await.unwrap().contains("\"inconclusive\""));
        serving.abort();
    }
}
