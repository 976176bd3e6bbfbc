//! Several generators make one load: each runs its part of the plan and tells what it saw, which is added up without loss.
//!
//! - [`serve_agent`] waits for a coordinator, proves it by a shared token, runs what it is given and streams its counts.
//! - [`run_with_agents`] deals a plan out, starts all at one moment, and reports as [`run`](crate::run) does. An agent that
//!   dies is told and makes the verdict inconclusive; the others go on.
//!
//! What must not be here: figures of its own. Off the loopback nothing is said without TLS.

mod coordinate;
mod link;
mod serve;
mod wire;

use std::net::{IpAddr, SocketAddr};

pub use coordinate::{Agents, run_with_agents};
pub use serve::{Agent, AgentEvent, AgentTls, serve_agent};

use crate::run::LoadError;

/// Why agents could not be used, or an agent could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// A token that could be guessed.
    #[error(
        "use the shared token: it needs at least {MIN_TOKEN} characters; `golive secret generate` makes one"
    )]
    WeakToken,
    /// An agent that others could reach without TLS.
    #[error("listen on {address}: it is not the loopback, so give a certificate and a key")]
    NeedsTls {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// A certificate, key or authority that cannot be used.
    #[error("use the certificate: {what}")]
    Certificate {
        /// What is wrong with it.
        what: String,
    },
    /// The port is not to be had.
    #[error("listen on {address}: choose another port")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// From the system.
        #[source]
        source: std::io::Error,
    },
    /// An agent that cannot take part; nothing was sent then.
    #[error("start the agent {agent}: {why}")]
    Agent {
        /// As it was named.
        agent: String,
        /// What to look at.
        why: String,
    },
    /// A plan that cannot be run.
    #[error("deal out the plan")]
    Plan(#[source] LoadError),
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Shorter ones can be tried through.
const MIN_TOKEN: usize = 16;
