//! The thirteen criteria as a table: which facts each needs, and what each fact must be.
//!
//! What must not be here: code that judges. A criterion is changed by changing a row.

use serde_json::Value;

use crate::Policy;

/// One of the thirteen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Criterion {
    /// 1 to 13, the checklist's order.
    pub number: u8,
    /// Stable name, used in JSON and in waivers.
    pub key: &'static str,
    /// The checklist's line.
    pub title: &'static str,
    /// The phase whose steps supply most of its facts.
    pub phase: u8,
    /// All must hold.
    pub requirements: &'static [Requirement],
    /// Its own age of evidence in hours, where a day does not fit; the policy may say otherwise.
    pub(crate) max_age_hours: Option<u32>,
}

/// One thing that must be so.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Requirement {
    /// Key of the fact that shows it.
    pub fact: &'static str,
    /// What the fact's value must be.
    pub test: Test,
    /// The same in words.
    pub says: &'static str,
}

/// What a fact's value must be. A value of another type than the test needs is unknown, not failed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Test {
    /// The boolean `true`.
    True,
    /// The boolean `false`.
    False,
    /// The number 0.
    Zero,
    /// A number not below this one.
    AtLeast(f64),
    /// A number not above this one, and not negative.
    AtMost(f64),
    /// A number below this one, and not negative.
    Below(f64),
    /// A number below what the policy says, and not negative.
    BelowPolicy(PolicyLimit),
    /// Exactly this string.
    Equals(&'static str),
    /// A string, list or object with something in it.
    NotEmpty,
}

/// A limit that the policy sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyLimit {
    /// [`Policy::dashboard_p95_ms`].
    DashboardP95Ms,
}

/// Outcome of one test on one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tested {
    Holds,
    Broken,
    /// Not judged, and why.
    Unfit(String),
}

impl Test {
    /// What is expected, in words, e.g. `at least 30`.
    #[must_use]
    pub fn expected(&self, policy: &Policy) -> String {
        match self {
            Self::True => "yes".to_owned(),
            Self::False => "no".to_owned(),
            Self::Zero => "0".to_owned(),
            Self::AtLeast(limit) => format!("at least {limit}"),
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::Below(limit) => format!("below {limit}"),
            Self::BelowPolicy(limit) => format!("below {}", limit.value(policy)),
            Self::Equals(text) => (*text).to_owned(),
            Self::NotEmpty => "something".to_owned(),
        }
    }

    pub(crate) fn check(&self, value: &Value, policy: &Policy) -> Tested {
        match self {
            Self::True => check_bool(value, true),
            Self::False => check_bool(value, false),
            Self::Zero => check_number(value, |n| n == 0.0),
            Self::AtLeast(limit) => check_number(value, |n| n >= *limit),
            Self::AtMost(limit) => check_measure(value, |n| n <= *limit),
            Self::Below(limit) => check_measure(value, |n| n < *limit),
            Self::BelowPolicy(limit) => check_measure(value, |n| n < limit.value(policy)),
            Self::Equals(text) => match value.as_str() {
                Some(found) => held(found == *text),
                None => unfit(value, "text"),
            },
            Self::NotEmpty => match value {
                Value::String(text) => held(!text.trim().is_empty()),
                Value::Array(items) => held(!items.is_empty()),
                Value::Object(fields) => held(!fields.is_empty()),
                _ => unfit(value, "text or a list"),
            },
        }
    }
}

impl PolicyLimit {
    fn value(self, policy: &Policy) -> f64 {
        match self {
            Self::DashboardP95Ms => policy.dashboard_p95_ms,
        }
    }
}

/// The thirteen, in the checklist's order.
#[must_use]
pub fn criteria() -> &'static [Criterion] {
    CRITERIA
}

fn check_bool(value: &Value, wanted: bool) -> Tested {
    value.as_bool().map_or_else(|| unfit(value, "yes or no"), |found| held(found == wanted))
}

fn check_number(value: &Value, holds: impl Fn(f64) -> bool) -> Tested {
    value.as_f64().map_or_else(|| unfit(value, "a number"), |found| held(holds(found)))
}

/// Ages, rates and latencies cannot be negative: such a value comes from a broken clock or a broken probe.
fn check_measure(value: &Value, holds: impl Fn(f64) -> bool) -> Tested {
    match value.as_f64() {
        Some(found) if found < 0.0 => {
            Tested::Unfit("the value is negative, so the measurement is wrong".to_owned())
        }
        _ => check_number(value, holds),
    }
}

fn held(holds: bool) -> Tested {
    if holds { Tested::Holds } else { Tested::Broken }
}

fn unfit(value: &Value, needed: &str) -> Tested {
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "yes or no",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Tested::Unfit(format!("the value is {found} where {needed} is needed"))
}

const fn criterion(
    number: u8,
    key: &'static str,
    phase: u8,
    title: &'static str,
    requirements: &'static [Requirement],
) -> Criterion {
    Criterion { number, key, title, phase, requirements, max_age_hours: None }
}

const fn needs(fact: &'static str, test: Test, says: &'static str) -> Requirement {
    Requirement { fact, test, says }
}

const CRITERIA: &[Criterion] = &[
    criterion(
        1,
        "demo_inactive",
        0,
        "Demo users and clients are inactive",
        &[
            needs("accounts.demo_users_active", Test::Zero, "no demo user is active"),
            needs("accounts.known_credentials_active", Test::Zero, "no active account has a known password"),
            needs("accounts.demo_logins_accepted", Test::Zero, "no demo login is accepted"),
            needs("tenants.demo_active", Test::Zero, "no demo client is active"),
            needs("tenants.demo_visible", Test::Zero, "no demo client is visible in the application"),
        ],
    ),
    criterion(
        2,
        "production_admin",
        0,
        "The production admin has strong credentials",
        &[
            needs("admin.login_works", Test::True, "the admin can log in"),
            needs("admin.password_length", Test::AtLeast(16.0), "the generated password is long"),
            needs(
                "admin.hash_algorithm",
                Test::Equals("argon2id"),
                "the password is stored as an argon2id hash",
            ),
            needs("admin.first_login_forces_change", Test::True, "the first login forces a new password"),
            needs(
                "admin.handover_file_private",
                Test::True,
                "the handover file is readable by its owner only",
            ),
        ],
    ),
    criterion(
        3,
        "secret_key",
        0,
        "The secret key is rotated and old tokens are refused",
        &[
            needs("secret.length", Test::AtLeast(64.0), "the key has 64 characters or more"),
            needs("secret.known_insecure", Test::False, "the key is no known example"),
            needs("secret.old_token_refused", Test::True, "a token of the old key is refused"),
        ],
    ),
    criterion(
        4,
        "migration",
        1,
        "The MariaDB migration is verified by counts and content",
        &[
            needs("migrate.tables_verified", Test::AtLeast(1.0), "tables were compared row by row"),
            needs("migrate.tables_unverified", Test::Zero, "no table was left out"),
            needs("migrate.row_count_mismatches", Test::Zero, "every table has the same number of rows"),
            needs("migrate.value_mismatches", Test::Zero, "every cell has the same value"),
            needs("migrate.schema_mismatches", Test::Zero, "keys, uniques and foreign keys are in place"),
            needs("migrate.switched", Test::True, "the application is switched to MariaDB"),
        ],
    ),
    criterion(
        5,
        "redis",
        2,
        "Redis revocation and rate limiting work",
        &[
            needs("revocation.logout_refused", Test::True, "a token is refused after logout"),
            needs("revocation.survives_restart", Test::True, "it stays refused after a restart"),
            needs("revocation.fails_closed", Test::True, "without Redis no token is trusted"),
            needs("rate_limit.enforced", Test::True, "requests above the limit are refused"),
            needs("rate_limit.survives_restart", Test::True, "the limit survives a restart"),
            needs("rate_limit.shared", Test::True, "all instances share one limit"),
            needs(
                "rate_limit.forged_header_ignored",
                Test::True,
                "a forged client address does not evade it",
            ),
        ],
    ),
    criterion(
        6,
        "error_tracking",
        3,
        "Error tracking captures and alerts on unhandled exceptions",
        &[
            needs("errors.captured", Test::True, "an unhandled exception arrives at the tracker"),
            needs("errors.alerted", Test::True, "an alert goes out"),
            needs("errors.secrets_leaked", Test::Zero, "no planted secret is in what was sent"),
        ],
    ),
    criterion(
        7,
        "health",
        3,
        "Health checks tell the truth about readiness",
        &[
            needs("health.live", Test::True, "the liveness check answers"),
            needs("health.ready", Test::True, "the readiness check answers"),
            needs("health.anonymous", Test::True, "neither needs a login"),
            needs("health.not_ready_without_database", Test::True, "not ready while MariaDB is away"),
            needs("health.not_ready_without_redis", Test::True, "not ready while Redis is away"),
            needs("health.live_without_database", Test::True, "alive while MariaDB is away"),
            needs("health.recovers", Test::True, "ready again when they return"),
        ],
    ),
    Criterion {
        max_age_hours: Some(BACKUP_MAX_AGE_HOURS),
        ..criterion(
            8,
            "backups",
            4,
            "Automated daily backups run and are verified",
            &[
                needs("backup.age_hours", Test::AtMost(26.0), "the newest backup is at most 26 hours old"),
                needs("backup.verified", Test::True, "its checksums hold"),
                needs("backup.restored_equal", Test::True, "restored elsewhere, it equals the original"),
                needs("backup.scheduled_daily", Test::True, "a daily schedule is set"),
                needs("backup.retention_days", Test::AtLeast(30.0), "backups are kept 30 days or more"),
                needs("backup.state_encrypted", Test::True, "settings and state are backed up encrypted"),
            ],
        )
    },
    criterion(
        9,
        "tls",
        5,
        "TLS is graded A+",
        &[
            needs("tls.grade", Test::Equals("A+"), "the grade is A+"),
            needs("tls.redirects_http", Test::True, "plain HTTP redirects to HTTPS"),
        ],
    ),
    criterion(
        10,
        "load",
        6,
        "The load test stays below the limit on dashboards under expected load",
        &[
            needs(
                "load.dashboard_p95_ms",
                Test::BelowPolicy(PolicyLimit::DashboardP95Ms),
                "dashboards' p95 in milliseconds",
            ),
            needs("load.error_rate", Test::AtMost(0.001), "share of requests that failed"),
            needs("load.content_failures", Test::Zero, "every answer had the content expected"),
            needs("load.scenarios_missing", Test::Zero, "no scenario is missing"),
        ],
    ),
    criterion(
        11,
        "disaster_recovery",
        4,
        "Disaster recovery is documented and tested",
        &[
            needs("recovery.documented", Test::True, "the runbooks exist"),
            needs("recovery.scenarios_tested", Test::AtLeast(4.0), "disasters were rehearsed"),
            needs("recovery.scenarios_failed", Test::Zero, "every rehearsal succeeded"),
            needs("recovery.rto_seconds", Test::AtLeast(0.0), "the time to recover was measured"),
            needs("recovery.rpo_seconds", Test::AtLeast(0.0), "the loss of data was measured"),
        ],
    ),
    criterion(
        12,
        "ci",
        6,
        "All CI checks pass",
        &[
            needs("ci.checks", Test::AtLeast(1.0), "checks ran"),
            needs("ci.failed", Test::Zero, "none failed"),
            needs("ci.skipped", Test::Zero, "none was skipped"),
        ],
    ),
    criterion(
        13,
        "production_config",
        5,
        "The production configuration is valid without warnings",
        &[
            needs("config.errors", Test::Zero, "the configuration has no error"),
            needs("config.warnings", Test::Zero, "the configuration has no warning"),
            needs("deploy.errors", Test::Zero, "container and proxy files have no error"),
        ],
    ),
];

/// A daily backup with two hours of grace.
const BACKUP_MAX_AGE_HOURS: u32 = 26;
