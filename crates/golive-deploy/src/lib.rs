//! Production configuration, container and proxy audit, and the TLS grade.
//!
//! Four things, each usable alone:
//! - [`check_config`] holds settings against the rules for production;
//! - [`audit_files`] reads Dockerfile, compose, nginx, Caddy and Traefik files and says what is wrong, with file and line;
//! - [`render_nginx`] writes a proxy configuration that passes that audit and is graded A+;
//! - [`tls::grade`] grades a live endpoint as SSL Labs would, also where no public scanner reaches.
//!
//! ```
//! use golive_deploy::{ConfigRules, NginxOptions, Settings, audit_nginx, check_config, render_nginx};
//!
//! let settings = Settings::parse_env_text(".env", "ENVIRONMENT=production\nDEBUG=true\n");
//! let report = check_config(&settings, &ConfigRules::production());
//! let debug = report.findings.iter().find(|finding| finding.id == "CFG-010").expect("DEBUG is on");
//! assert_eq!((debug.line, debug.message.as_str()), (Some(2), "DEBUG is on"));
//!
//! let site = NginxOptions::new(["app.client.mx"], "127.0.0.1:8000", "/etc/ssl/app.pem", "/etc/ssl/app.key");
//! assert!(audit_nginx("app.conf", &render_nginx(&site)?).is_empty());
//! # Ok::<(), golive_deploy::RenderError>(())
//! ```
//!
//! Nothing here changes anything, starts a program, or reads the environment or the clock.

#[cfg(feature = "acme")]
mod acme;
mod audit;
mod config;
mod explain;
mod finding;
mod render;
mod sarif;
mod suppress;
pub mod tls;

#[cfg(feature = "acme")]
pub use acme::{AcmeOrder, ObtainError, Obtained, obtain_certificate};
pub use audit::{
    AuditError, AuditFile, AuditInputs, AuditKind, Include, audit_caddy, audit_compose, audit_dockerfile,
    audit_files, audit_nginx, audit_traefik,
};
pub use config::{
    ConfigReport, ConfigRule, ConfigRules, PoolLimits, Reference, Settings, SettingsError, TrackedCheck,
    VariableNames, check_config,
};
pub use explain::{RuleText, explain, rules};
pub use finding::{Finding, Severity, Span, worst};
pub use render::{
    Language, NginxOptions, RenderError, Service, Variable, render_compose, render_dockerfile,
    render_environment, render_nginx, render_unit,
};
pub use sarif::to_sarif;
pub use suppress::{RULESET, Suppression, UnknownRuleset, Waiver, hold_to_ruleset, waive};
