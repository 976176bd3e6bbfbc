//! `[application]` and `[http]`: how the application is started and spoken to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// `[application]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Application {
    /// Its name, for the report.
    pub name: String,
    /// Programs, each as a list of words; a program that starts with `./` lies beside `golive.toml`.
    #[serde(default)]
    pub commands: Commands,
    /// How long the application may take to answer its liveness probe after a start, in seconds.
    #[serde(default = "thirty")]
    pub start_timeout_seconds: u64,
    /// Files of the deployment that a state backup takes along, relative to `golive.toml`.
    #[serde(default)]
    pub state_files: Vec<PathBuf>,
}

/// `[application.commands]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Commands {
    /// Fills an SQLite demo database; `{scale}` and `{seed}` are given. Only rehearsals run it.
    pub seed: Option<Vec<String>>,
    /// Serves the application until it is told to end.
    pub serve: Option<Vec<String>>,
    /// Serves the version before, with the same environment; rehearsals roll back to it and forward again.
    pub serve_previous: Option<Vec<String>>,
    /// Applies, and takes back, the versioned schema; run against a disposable database only.
    pub schema_up: Option<Vec<String>>,
    /// Takes the whole versioned schema back.
    pub schema_down: Option<Vec<String>>,
}

/// `[http]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Http {
    /// Where the application answers when golive does not start it itself.
    pub base_url: Option<String>,
    /// Where health and metrics answer; the same as `base_url` unless given.
    pub management_url: Option<String>,
    /// Path of the liveness probe.
    pub live: Option<String>,
    /// Path of the readiness probe.
    pub ready: Option<String>,
    /// Path of the deep health check.
    pub deep: Option<String>,
    /// The token that deep health asks for, sent as `Authorization: Bearer …`; by reference: `env:NAME` or `file:PATH`.
    pub deep_token: Option<super::Setting>,
    /// Path of the metrics.
    pub metrics: Option<String>,
    /// How the running application is asked which database it uses.
    pub database: Option<DatabaseQuestion>,
    /// The requests that proofs and load are made of.
    #[serde(default)]
    pub requests: Requests,
}

/// `[http.database]`: how the running application is asked which database it uses, where health is asked too.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatabaseQuestion {
    /// Path that tells it. The answer should come from the connection in use (`SELECT DATABASE()`), not from a setting.
    pub path: String,
    /// JSON pointer (RFC 6901) of the value that tells it; the whole answer unless given.
    pub take: Option<String>,
    /// Texts that must all stand there, without regard to case; `a|b` is either. `{database}` is the target's database,
    /// `{server}` what the server calls itself (`@@hostname:@@port`). MariaDB and the database unless given.
    #[serde(default)]
    pub expect: Vec<String>,
}

/// `[http.requests.*]`: the requests by name. `login` and `authenticated` carry most proofs.
pub type Requests = BTreeMap<String, RequestTemplate>;

/// One request; `{placeholders}` in path, headers, text and JSON are filled by the step that sends it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RequestTemplate {
    /// GET unless given.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub json: Option<Value>,
    /// A text body, with its `content_type`.
    pub text: Option<String>,
    /// The media type of `text`.
    pub content_type: Option<String>,
    /// What the answer must look like.
    #[serde(default)]
    pub respond: Respond,
}

/// What an answer must look like, and what is kept of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Respond {
    /// Accepted status codes; 200 to 299 when empty.
    #[serde(default)]
    pub status: Vec<u16>,
    /// JSON pointers (RFC 6901) that must be there and not null.
    #[serde(default)]
    pub present: Vec<String>,
    /// JSON pointer of the value that the proof keeps (a token, a list).
    pub take: Option<String>,
}

fn thirty() -> u64 {
    30
}

fn get() -> String {
    "GET".to_owned()
}
