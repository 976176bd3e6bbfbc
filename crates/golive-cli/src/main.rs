//! The `golive` command: parses, calls, renders, exits. It holds no verb of its own.

mod args;
mod board;
mod clock;
mod commands;
mod exit;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Both halves of the TLS stack must agree on one provider, before anything opens a connection.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = args::Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit::bug(&error),
    };
    exit::code(runtime.block_on(commands::dispatch(args)))
}
