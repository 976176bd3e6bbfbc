//! `load agent`, and which agents share the load of `load run`.
//!
//! Not here: what they say to each other. A token is never an argument: it would stand in process lists.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use golive::Setting;
use golive_load::{Agent, AgentError, AgentEvent, AgentTls, Agents, PublicTargetConfirmation};
use secrecy::SecretString;

use crate::args::Global;
use crate::commands::{self, support};
use crate::exit::{End, Failure, Result};
use crate::output;

/// What `agent` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// Where to listen; any address but the loopback needs a certificate.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7441")]
    listen: SocketAddr,
    /// What a coordinator must know, `env:NAME` or `file:PATH`; at least 16 characters.
    #[arg(long, value_name = "SETTING")]
    token: String,
    /// The certificate chain as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Any host but this machine is refused unless it is named here, whatever a coordinator says.
    #[arg(long, value_name = "HOST")]
    dangerous_public_target: Option<String>,
}

/// The agents of a run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Shared {
    /// Deal the load out to these, each running `golive load agent`; nothing is sent from here then.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', requires = "agents_token")]
    agents: Vec<String>,
    /// The token that the agents know, `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "SETTING")]
    agents_token: Option<String>,
    /// The authority of the agents' certificates as PEM, besides the system's. Without it agents on this machine are spoken to
    /// without TLS.
    #[arg(long, value_name = "FILE")]
    agents_ca: Option<PathBuf>,
}

impl Shared {
    /// `None` where the load is this machine's alone.
    pub(super) fn chosen(&self, global: &Global) -> std::result::Result<Option<Agents>, Failure> {
        let Some(token) = self.agents_token.as_ref().filter(|_| !self.agents.is_empty()) else {
            return Ok(None);
        };
        let mut agents = Agents::new(self.agents.clone(), secret(global, token)?);
        agents.authority_pem = self.agents_ca.as_deref().map(read).transpose()?;
        Ok(Some(agents))
    }
}

pub(super) async fn serve(global: &Global, args: AgentArgs) -> Result {
    let mut agent = Agent::new(args.listen, secret(global, &args.token)?);
    if let (Some(certificate), Some(key)) = (&args.tls_certificate, &args.tls_key) {
        agent.tls = Some(AgentTls::new(read(certificate)?, SecretString::from(read(key)?)));
    }
    agent.dangerous_public_target =
        args.dangerous_public_target.map(PublicTargetConfirmation::dangerous_i_may_overload);
    let cancel = support::cancel_when_ended("stopping");
    let tell = Arc::new(|event: AgentEvent| match event {
        AgentEvent::Listening(address) => output::print(&format!("listening on {address}")),
        AgentEvent::TurnedAway { peer, why } => output::complain(&format!("{peer} was turned away: {why}")),
        AgentEvent::Begins { peer } => output::complain(&format!("a load for {peer} begins")),
        AgentEvent::Ended { peer, says } => {
            output::complain(&format!("the load for {peer} has ended: {says}"));
        }
        _ => {}
    });
    golive_load::serve_agent(agent, tell, &cancel).await.map_err(failure)?;
    Ok(End::Ready)
}

pub(super) fn failure(error: AgentError) -> Failure {
    match error {
        AgentError::Agent { .. } | AgentError::Listen { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    }
}

fn secret(global: &Global, text: &str) -> std::result::Result<SecretString, Failure> {
    let setting = Setting::from(text.to_owned());
    if matches!(setting, Setting::Literal(_)) {
        return Err(Failure::usage(
            "read the token: on the command line it stands in process lists; give env:NAME or file:PATH",
        ));
    }
    support::resolve(&setting, &commands::config_or_nothing(global)?.directory)
}

fn read(path: &Path) -> std::result::Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::reach(format!("read {}: {error}", path.display())))
}
