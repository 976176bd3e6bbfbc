//! Removes secrets from everything that leaves the process: log lines, error events, alerts, the journal, spans.
//! Pure functions over text and JSON; it rather hides too much than too little. No I/O here.

mod candidates;
mod names;
mod scan;
mod secrets;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use secrecy::SecretString;
use serde_json::Value;

use names::ExtraName;
use secrets::{SHORTEST_SECRET_BYTES, Secrets};

/// What stands where a secret stood.
pub const MASK: &str = "[redacted]";

static GLOBAL: OnceLock<Scrubber> = OnceLock::new();

/// What becomes of e-mail addresses. They are no secrets, but they are somebody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailPolicy {
    /// The whole address is masked.
    #[default]
    Mask,
    /// Only who it is is masked: `[redacted]@acme.example`.
    KeepDomain,
    /// Addresses stay.
    Keep,
}

/// Knows which field names and which values are secrets.
///
/// Built in are names such as `password`, `token`, `authorization`, `cookie`, `api_key`, `secret` (in any spelling:
/// `apiKey`, `API-KEY`), and values such as JWTs, bearer credentials, password hashes, private keys in PEM, well-known
/// key prefixes, payment card numbers (with a valid check digit) and the credentials inside a URL; e-mail addresses go by
/// [`EmailPolicy`]. A program's own live secrets can be registered, and are then removed wherever they stand, also percent-encoded or escaped.
#[derive(Clone, Default)]
pub struct Scrubber {
    names: Arc<Vec<ExtraName>>,
    secrets: Arc<Secrets>,
    emails: EmailPolicy,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrubber")
            .field("names", &self.names)
            .field("secrets", &self.secrets.count())
            .finish()
    }
}

impl Scrubber {
    /// A scrubber with the built-in names and patterns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also treats every field whose name contains `name` as a secret; case and separators do not matter.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.names).extend(ExtraName::new(name));
        self
    }

    /// What becomes of e-mail addresses; they are masked unless this says otherwise.
    #[must_use]
    pub fn with_emails(mut self, policy: EmailPolicy) -> Self {
        self.emails = policy;
        self
    }

    /// Also removes this very value wherever it stands. Values shorter than six bytes are ignored.
    #[must_use]
    pub fn with_secret(mut self, secret: &SecretString) -> Self {
        Arc::make_mut(&mut self.secrets).add(secret);
        self
    }

    /// The text without its secrets; borrowed when there were none.
    #[must_use]
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let clean = self.secrets.hide(text);
        match scan::scan(&clean, self) {
            Some(scanned) => Cow::Owned(scanned),
            None => clean,
        }
    }

    /// The value of a named field without its secrets: the mask when the name says that it is one.
    #[must_use]
    pub fn scrub_field<'t>(&self, name: &str, value: &'t str) -> Cow<'t, str> {
        if self.is_sensitive(name) { Cow::Borrowed(MASK) } else { self.scrub(value) }
    }

    /// Scrubs every text of a JSON tree, and masks whole what stands under a sensitive name.
    pub fn scrub_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.scrub(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_json(item)),
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    if self.is_sensitive(name) && !member.is_null() {
                        *member = Value::String(MASK.to_owned());
                    } else {
                        self.scrub_json(member);
                    }
                }
            }
            Value::Number(number) => {
                if self.passes_number(number) {
                    return;
                }
                let digits = number.to_string();
                if let Cow::Owned(clean) = self.scrub(&digits) {
                    *value = Value::String(clean);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Is this number too short to be anybody's secret? Nearly every one is, and need not be made a text.
    fn passes_number(&self, number: &serde_json::Number) -> bool {
        const MOST: u64 = 10_u64.pow(SHORTEST_SECRET_BYTES as u32 - 1);
        number.as_u64().is_some_and(|number| number < MOST)
    }

    /// Is a registered secret written as a number? Then even a duration may look like it.
    #[cfg(feature = "axum")]
    pub(crate) fn knows_numbers(&self) -> bool {
        self.secrets.any_number()
    }

    /// Does a field of this name hold a secret?
    #[must_use]
    pub fn is_sensitive(&self, name: &str) -> bool {
        names::is_sensitive(name, &self.names)
    }
}

/// Scrubs with the scrubber given to [`init`](crate::init), or with the built-in rules before that.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    global().scrub(text)
}

/// The scrubber of this process.
pub(crate) fn global() -> &'static Scrubber {
    static BUILT_IN: OnceLock<Scrubber> = OnceLock::new();
    GLOBAL.get().unwrap_or_else(|| BUILT_IN.get_or_init(Scrubber::new))
}

/// Makes `scrubber` that of the process; the first one stays.
pub(crate) fn install(scrubber: Scrubber) {
    let _ = GLOBAL.set(scrubber);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(text: &str) -> String {
        Scrubber::new().scrub(text).into_owned()
    }

    #[test]
    fn named_values_go_in_every_notation() {
        for text in [
            "login failed password=PLANTED for user 7",
            "password: \"PLANTED\"",
            "password = 'PLANTED'",
            r#"{"user":"bob","password":"PLANTED","n":1}"#,
            r#"{\"password\":\"PLANTED\"}"#,
            "User { name: \"bob\", password: Some(\"PLANTED PLANTED\") }",
            "api_key=PLANTED&next=1",
            "apiKey: PLANTED",
            "X-Api-Key: PLANTED",
            "api key: PLANTED",
            "DB_PASS=PLANTED",
            "token => PLANTED",
            "secrets = [\"PLANTED\", \"PLANTED\"]",
            "?next=%2F&password%3DPLANTED",
            "%22password%22%3A%22PLANTED%22",
            "Authorization: Basic PLANTED PLANTED",
            "cookie: a=PLANTED; b=PLANTED",
            "authorization=Bearer PLANTED",
            "sent Bearer PLANTED.PLANTED to",
            "mysql://app:PLANTED@db.example:3306/app",
            "redis://:PLANTED@127.0.0.1/0",
            "mysql://app:PLA/NTED@db.example/app",
            "-----BEGIN RSA PRIVATE KEY-----\nPLANTED\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nPLANTED",
            "hash $argon2id$v=19$m=19456,t=2,p=1$PLANTED",
            "key sk_live_PLANTED0000000000",
        ] {
            let cleaned = clean(text);
            assert!(!cleaned.contains("PLANTED") && !cleaned.contains("NTED"), "{text} -> {cleaned}");
            assert!(cleaned.contains(MASK), "{text} -> {cleaned}");
        }
    }

    #[test]
    fn recognizable_values_go_without_a_name() {
        assert_eq!(
            clean("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl twice"),
            "got [redacted] twice"
        );
        assert_eq!(clean("card 4111 1111 1111 1111 declined"), "card [redacted] declined");
        assert_eq!(clean("card 4111111111111111"), "card [redacted]");
        assert_eq!(clean("AKIAIOSFODNN7EXAMPLE"), "[redacted]");
    }

    #[test]
    fn mail_addresses_go_by_policy() {
        let text =
            "sent to Ann.Lee+work@acme.example, <bob%40acme.example> and git@host; mysql://app@db.example/x";
        let by = |policy| Scrubber::new().with_emails(policy).scrub(text).into_owned();
        assert_eq!(
            by(EmailPolicy::Mask),
            "sent to [redacted], <[redacted]> and git@host; mysql://app@db.example/x"
        );
        assert_eq!(
            by(EmailPolicy::KeepDomain),
            "sent to [redacted]@acme.example, <[redacted]%40acme.example> and git@host; mysql://app@db.example/x"
        );
        assert_eq!(by(EmailPolicy::Keep), text);
        assert_eq!(clean("password=x a@b.example"), "password=[redacted] [redacted]");
        assert_eq!(clean("é@acme.example a@b.c @@a.bc"), "é@acme.example a@b.c @@a.bc");
    }

    #[test]
    fn ordinary_text_stays_borrowed() {
        for text in [
            "request finished in 12.5 ms, status 200",
            "2026-11-22T20:31:32.000001Z golive_demo::token::verify called",
            "http://127.0.0.1:8080/health/ready?verbose=1",
            "order 1732300000000000 shipped, 1234567890123456 units",
            "see https://example.org/a@b for basic authentication",
            "über: naïve — ok",
        ] {
            assert!(matches!(Scrubber::new().scrub(text), Cow::Borrowed(_)), "{} -> {}", text, clean(text));
        }
    }

    #[test]
    fn a_registered_secret_goes_from_plain_text() {
        let scrubber = Scrubber::new().with_secret(&SecretString::from("p\"l ant/ed+1"));
        for text in ["x p\"l ant/ed+1 y", "p\\\"l ant/ed+1", "p%22l+ant%2Fed%2B1", "p%22l%20ant%2Fed%2B1"] {
            let cleaned = scrubber.scrub(text);
            assert!(!cleaned.contains("ant"), "{text} -> {cleaned}");
        }
        assert!(!format!("{scrubber:?}").contains("ant/"));
    }

    #[test]
    fn json_is_scrubbed_by_name_and_by_value() {
        let mut value = serde_json::json!({
            "a": {"Refresh-Token": ["x", "y"], "note": "password=abc", "card": 4_111_111_111_111_111_u64}, "n": 3
        });
        Scrubber::new().with_name("n").scrub_json(&mut value);
        assert_eq!(value["a"]["Refresh-Token"], MASK);
        assert_eq!(value["a"]["note"], MASK); // "note" contains the extra name "n"
        let mut value = serde_json::json!({"note": "password=abc", "card": 4_111_111_111_111_111_u64});
        Scrubber::new().scrub_json(&mut value);
        assert_eq!(value, serde_json::json!({"note": "password=[redacted]", "card": MASK}));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(\\PC|password|token|[=:\"'\\\\%({\\[@/-]|eyJ|Bearer |://|[0-9]){0,60}") {
            let once = clean(&text);
            // What was hidden stays hidden, and nothing but the mask is added.
            prop_assert!(clean(&once).matches(MASK).count() <= once.matches(MASK).count() + 1);
        }

        #[test]
        fn a_value_after_a_sensitive_name_never_stays(
            before in "[ a-z0-9,;({\\[]{0,20}",
            name in "(user_|db-|X-|)(password|PASSWORD|secret|accessToken|api_key|Api-Key)(_old|)",
            separator in "( = |=|: |:|\": \"|\\\\\": \\\\\"|'='|=\\[\"|=Some\\(\")",
            secret in "[A-Z]{6}[0-9]{6}",
            after in "[ ,;\"')}&].{0,20}",
        ) {
            let text = format!("{before} {name}{separator}{secret}{after}");
            prop_assert!(!clean(&text).contains(&secret), "{} -> {}", text, clean(&text));
        }

        #[test]
        fn a_registered_secret_never_stays(before in "\\PC{0,30}", secret in "[ -~]{6,30}", after in "\\PC{0,30}") {
            prop_assume!(!MASK.contains(&secret));
            let scrubber = Scrubber::new().with_secret(&SecretString::from(secret.clone()));
            let text = format!("{before}{secret}{after}");
            prop_assert!(!scrubber.scrub(&text).contains(&secret));
        }
    }
}
