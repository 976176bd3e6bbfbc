//! What to send: the plan of a load test as plain data, readable from TOML.
//!
//! What must not be here: sending. Tokens are the only secrets, and they are never read from or written to a file here.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::check::Expect;
use crate::journey::{Extract, Feeder, JourneyStep, SignIn};
use crate::schedule::Arrivals;
use crate::target::PublicTargetConfirmation;
use crate::threshold::Threshold;

/// A whole load test.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadPlan {
    /// Where the application answers; request paths are put behind it.
    pub base_url: Url,
    /// How long requests are started for.
    pub duration: Duration,
    /// Before that, the same load goes on for this long without being counted.
    pub warm_up: Duration,
    /// Who does what, all at the same time.
    pub scenarios: Vec<Scenario>,
    /// No more requests than this are sent, warm-up included.
    pub max_requests: u64,
    /// A request that is not fully answered by then is an error.
    pub request_timeout: Duration,
    /// A certificate authority to trust besides the usual ones, as PEM.
    pub root_certificate_pem: Option<String>,
    /// Makes `{random}` repeatable.
    pub seed: u64,
    /// Limits that the report judges.
    pub thresholds: Vec<Threshold>,
    /// Watched values, by the names a [`Sampler`](crate::Sampler) gives them, that must not have grown after the first third of
    /// the run: what a soak asks.
    pub steady: Vec<String>,
    /// Ends the run when a threshold has been broken for so long without a break; `None` lets it go on to its end.
    pub abort_after: Option<Duration>,
    /// Which part of it is run here; all of it unless several generators share it.
    pub(crate) part: Part,
    /// Any host but the loopback is refused without this.
    pub dangerous_public_target: Option<PublicTargetConfirmation>,
}

impl LoadPlan {
    /// A plan of `scenarios` against `base_url`: 30 seconds after a warm-up of 2, at most 100,000 requests.
    #[must_use]
    pub fn new(base_url: Url, scenarios: Vec<Scenario>) -> Self {
        Self {
            base_url,
            duration: Duration::from_secs(30),
            warm_up: Duration::from_secs(2),
            scenarios,
            max_requests: 100_000,
            request_timeout: Duration::from_secs(30),
            root_certificate_pem: None,
            seed: 1,
            thresholds: Vec::new(),
            steady: Vec::new(),
            abort_after: None,
            part: Part::default(),
            dangerous_public_target: None,
        }
    }
}

/// One of so many equal parts of a plan, so that several generators make one load: users and arrivals are dealt out in turn, so
/// that the parts together are the whole, neither more nor less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) index: u32,
    pub(crate) of: u32,
}

impl Default for Part {
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Part {
    /// Of so many numbered things, those of this part.
    pub(crate) fn numbers(self, all: u32) -> impl Iterator<Item = u32> {
        (self.index..all).step_by(self.of as usize)
    }

    pub(crate) fn share(self, all: u64) -> u64 {
        let (index, of) = (u64::from(self.index), u64::from(self.of));
        all / of + u64::from(index < all % of)
    }
}

/// One kind of user, doing one thing over and over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// Name in the report.
    pub name: String,
    /// What it is, for thresholds that hold for a kind.
    #[serde(default)]
    pub kind: ScenarioKind,
    /// How many at once. In the open model (`arrivals_per_second`), how many requests may be under way at once.
    #[serde(default = "one")]
    pub users: u32,
    /// A user's pause after an answer, in seconds in a file; varied by half around it.
    #[serde(default, rename = "think_seconds", with = "seconds")]
    pub think_time: Duration,
    /// Makes the scenario open: requests start at this rate whatever the server does, and time runs from the moment each
    /// should have started.
    #[serde(default)]
    pub arrivals_per_second: Option<f64>,
    /// The same with a rate that changes: a ramp, steps, a spike. It counts where both are given.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
    /// When it begins, counted from the end of the warm-up, in seconds in a file.
    #[serde(default, rename = "start_after_seconds", with = "seconds")]
    pub start_after: Duration,
    /// Stops after so many requests, over all users; such a scenario takes no part in the warm-up.
    #[serde(default)]
    pub iterations: Option<u64>,
    /// What is sent.
    pub request: RequestTemplate,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
    /// Values for `{name}` placeholders, taken in turn, one an iteration.
    #[serde(default)]
    pub values: BTreeMap<String, Vec<String>>,
    /// Columns of tables for `{column}` placeholders, a row an iteration.
    #[serde(default)]
    pub data: Vec<Feeder>,
    /// Values taken from the answer, for the placeholders of the steps in `then`.
    #[serde(default)]
    pub extract: BTreeMap<String, Extract>,
    /// What the same user sends after it, in order: a journey. Each step is measured by itself.
    #[serde(default)]
    pub then: Vec<JourneyStep>,
    /// How each user signs in; without it the tokens are used that the program gave.
    #[serde(default)]
    pub sign_in: Option<SignIn>,
    /// Whether each user keeps the cookies that it is given.
    #[serde(default = "yes")]
    pub cookies: bool,
    /// Names for thresholds that hold for several scenarios.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Bearer tokens, one a user, taken in turn when there are fewer.
    #[serde(skip)]
    pub tokens: Vec<SecretString>,
}

impl Scenario {
    /// One user who sends `request` again and again without a pause, and expects 200.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ScenarioKind, request: RequestTemplate) -> Self {
        Self {
            name: name.into(),
            kind,
            users: 1,
            think_time: Duration::ZERO,
            arrivals_per_second: None,
            arrivals: None,
            start_after: Duration::ZERO,
            iterations: None,
            request,
            expect: Expect::default(),
            values: BTreeMap::new(),
            data: Vec::new(),
            extract: BTreeMap::new(),
            then: Vec::new(),
            sign_in: None,
            cookies: true,
            tags: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

impl Scenario {
    /// What the report calls its request.
    #[must_use]
    pub fn route(&self) -> &str {
        self.request.route()
    }

    /// Its steps: the request itself and what follows it.
    pub fn requests(&self) -> impl Iterator<Item = &RequestTemplate> {
        std::iter::once(&self.request).chain(self.then.iter().map(|step| &step.request))
    }

    /// Whether requests start by a schedule, whatever the server does.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.arrivals.is_some() || self.arrivals_per_second.is_some()
    }
}

/// What a scenario is, for people and for thresholds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScenarioKind {
    /// Looking at figures.
    Dashboard,
    /// Entering data.
    Entry,
    /// Sending files.
    Upload,
    /// Anything else.
    #[default]
    Other,
}

impl ScenarioKind {
    /// As it is written in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Entry => "entry",
            Self::Upload => "upload",
            Self::Other => "other",
        }
    }
}

/// A request with placeholders: `{sequence}` (unique in the scenario), `{user}`, `{random}`, `{random:1-500}`, `{row}`
/// inside [`Body::Rows`], and `{name}` from an answer ([`Scenario::extract`]), from [`Scenario::data`] or from
/// [`Scenario::values`], in this order. They may stand in the path, in header values and in the body. In [`Body::Json`], a
/// string that is one placeholder with a `#`, as `"{#sequence}"`, becomes a number. In a path, `{+name}` is put in as it is,
/// slashes and all (RFC 6570): for an address that an answer gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RequestTemplate {
    /// HTTP method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, from `/`.
    pub path: String,
    /// What the report and thresholds call it; the path without its query unless given.
    #[serde(default)]
    pub route: Option<String>,
    /// Further headers. Tokens do not belong here but into [`Scenario::tokens`].
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent along.
    #[serde(default)]
    pub body: Option<Body>,
}

impl RequestTemplate {
    /// What the report and thresholds call it.
    #[must_use]
    pub fn route(&self) -> &str {
        self.route.as_deref().unwrap_or_else(|| self.path.split('?').next().unwrap_or(&self.path))
    }

    /// A GET of `path`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: get(), path: path.into(), route: None, headers: BTreeMap::new(), body: None }
    }

    /// A POST of `body` to `path`.
    #[must_use]
    pub fn post(path: impl Into<String>, body: Body) -> Self {
        Self {
            method: "POST".to_owned(),
            path: path.into(),
            route: None,
            headers: BTreeMap::new(),
            body: Some(body),
        }
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Body {
    /// JSON; placeholders in its strings.
    Json(Value),
    /// CSV as it is, sent as `text/csv`.
    Csv(String),
    /// Text as it is.
    Text(String),
    /// The fields of a form, sent as `application/x-www-form-urlencoded`.
    Form(BTreeMap<String, String>),
    /// CSV made of a header and `count` times the row, `{row}` counting from 1.
    Rows {
        /// The first line.
        header: String,
        /// The line that is repeated.
        row: String,
        /// How often.
        count: u32,
    },
    /// A file in a `multipart/form-data` form.
    File {
        /// Name of the form field.
        field: String,
        /// Name of the file.
        file_name: String,
        /// What is in it; not a file again.
        content: Box<Body>,
    },
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn get() -> String {
    "GET".to_owned()
}

/// Durations in files are seconds, with a fraction if need be.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| D::Error::custom("must be a number of seconds, not negative"))
    }
}
