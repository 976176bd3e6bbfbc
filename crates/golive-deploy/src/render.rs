//! Renders deployment files that pass our own audit: proxy, container, composition, unit, environment.
//!
//! Pure: options in, text out. Writing them, and starting anything, is the caller's work.

mod compose;
mod dockerfile;
mod environment;
mod nginx;
mod service;
mod unit;

use thiserror::Error;

pub use compose::render_compose;
pub use dockerfile::render_dockerfile;
pub use environment::render_environment;
pub use nginx::{NginxOptions, render_nginx};
pub use service::{Language, Service, Variable};
pub use unit::render_unit;

/// Why nothing was rendered.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenderError {
    /// No name to answer to.
    #[error("render the proxy configuration: no server name given; name the public host")]
    NoServerName,
    /// A value that would end a directive or a string.
    #[error(
        "render the {what}: {field} is empty, or holds a character that would be misread there; use plain text"
    )]
    Unsafe {
        /// Which file.
        what: &'static str,
        /// Which option.
        field: &'static str,
    },
}
