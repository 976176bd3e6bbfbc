//! The demo platform: production tracking for many tenants, as a client would have it before going live. It embeds
//! the golive crates as any application would, and nothing published depends on it.

mod api;
mod check;
mod cli;
mod config;
mod database;
mod entity;
#[cfg(test)]
mod mariadb_tests;
mod probe;
mod schema;
mod seed;
mod serve;

use std::error::Error;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // Named before anything connects: with two providers in the program, the first TLS connection would panic.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli::run(config::Environment::of_process()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_chain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place that prints an error")]
fn print_chain(error: &dyn Error) {
    let mut said = error.to_string();
    eprintln!("golive-demo: {said}");
    let mut source = error.source();
    while let Some(cause) = source {
        // The drivers repeat their causes in their own words.
        let text = cause.to_string();
        if !said.contains(&text) {
            eprintln!("  because: {text}");
        }
        said = text;
        source = cause.source();
    }
}
