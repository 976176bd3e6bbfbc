//! The console of a go-live in a browser: where the run stands, live; what is proven, what is not, and what to do next.
//!
//! It reads a run's folder and shows it, whichever process is at work on it. It listens on loopback and lets in whoever has the
//! link of the terminal; on another address it wants TLS and operators with passwords. Pages are made on the server and work
//! without script; nothing comes from elsewhere.
//!
//! What must not be here: a verb of its own. What the console can start is what the command line can start.
//!
//! ```no_run
//! use secrecy::ExposeSecret;
//!
//! # async fn run() -> Result<(), golive_server::ServeError> {
//! let options = golive_server::ServerOptions::new(".golive".into());
//! let server = golive_server::bind(&options).await?;
//! if let Some(link) = server.entry_url() {
//!     println!("open this once: {}", link.expose_secret());
//! }
//! server.serve(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```
//!
//! Mounted in a service of one's own, whose names the console has to know:
//!
//! ```no_run
//! # async fn run() -> Result<(), golive_server::OpenAuditError> {
//! let mut options = golive_server::ServerOptions::new("/srv/app/.golive".into());
//! options.mount = "/golive".to_owned();
//! options.hosts = vec!["app.example".to_owned()];
//! options.behind_tls = true;
//! options.entry_link = false; // operators log in: `golive serve --add-operator NAME`
//! let app: axum::Router = axum::Router::new().nest("/golive", golive_server::router(&options).await?);
//! # Ok(())
//! # }
//! ```

mod access;
mod acting;
mod api;
mod assets;
mod clock;
mod events;
mod i18n;
mod look;
mod options;
mod pages;
mod router;
mod serve;

pub use access::{OpenAuditError, Operator, OperatorsError, OperatorsFile, Role};
pub use acting::Acts;
pub use options::{Limits, ServerOptions, TlsFiles};
pub use router::{Console, router};
pub use serve::{ServeError, Server, bind};
