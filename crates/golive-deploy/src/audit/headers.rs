//! What the headers that a proxy sends are worth, whatever it is configured in. Where they come from is not known here.

use crate::finding::Finding;

/// Six months: less gives no A+.
const HSTS_SECONDS: u64 = 15_552_000;

/// A header as it is sent, and the line that says so.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) line: u32,
    pub(super) name: String,
    pub(super) value: String,
}

/// Where a site begins, what is told of it, and whether parts that are not at hand may send more.
pub(super) struct Site<'a> {
    pub(super) file: &'a str,
    pub(super) line: u32,
    pub(super) name: &'a str,
    pub(super) is_partly_unseen: bool,
}

/// What an encrypted site ought to send.
pub(super) fn judge(site: &Site<'_>, sent: &[Sent]) -> Vec<Finding> {
    let get = |name: &str| sent.iter().rfind(|header| header.name.eq_ignore_ascii_case(name));
    let flaws = flaws(|name| get(name).map(|header| header.value.as_str()), true, site.is_partly_unseen);
    let finding = |flaw: Flaw| {
        let id = match flaw.about {
            About::Hsts => "DEP-503",
            About::Policy => "DEP-504",
            About::PolicyText => "DEP-513",
            About::Others => "DEP-505",
        };
        let line = flaw.header.and_then(get).map_or(site.line, |header| header.line);
        Finding::of(id, format!("{}: {}", site.name, flaw.what)).at(site.file, line)
    };
    flaws.into_iter().map(finding).collect()
}

/// Which rule a flaw breaks, whatever its identity for a kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Hsts,
    Policy,
    PolicyText,
    Others,
}

/// What is wrong with the headers of a site.
pub(super) struct Flaw {
    pub(super) about: About,
    /// The header that is sent and not good; none when one is missing.
    pub(super) header: Option<&'static str>,
    pub(super) what: String,
}

/// Holds what is sent, by name, against what ought to be. What is partly unseen may send what is missed here.
pub(super) fn flaws<'a>(
    get: impl Fn(&str) -> Option<&'a str>,
    is_encrypted: bool,
    is_partly_unseen: bool,
) -> Vec<Flaw> {
    const POLICY: &str = "Content-Security-Policy";
    const HSTS: &str = "Strict-Transport-Security";
    let mut flaws = Vec::new();
    let mut flaw = |about, header: Option<&'static str>, what: String| {
        if header.is_some() || !is_partly_unseen {
            flaws.push(Flaw { about, header, what });
        }
    };
    match get(POLICY) {
        None => flaw(About::Policy, None, format!("no {POLICY} is sent")),
        Some(policy) if allows_scripts(policy) => {
            let what = "the policy allows inline scripts, eval, or a local address".to_owned();
            flaw(About::PolicyText, Some(POLICY), what);
        }
        Some(_) => {}
    }
    match get(HSTS).filter(|_| is_encrypted) {
        None if is_encrypted => flaw(About::Hsts, None, format!("no {HSTS} is sent over https")),
        Some(value) if max_age(value).is_none_or(|seconds| seconds < HSTS_SECONDS) => {
            let what = format!("HSTS lasts less than six months ({HSTS_SECONDS} seconds)");
            flaw(About::Hsts, Some(HSTS), what);
        }
        _ => {}
    }
    let is_framed = get("X-Frame-Options").is_none()
        && get(POLICY).is_none_or(|policy| !policy.contains("frame-ancestors"));
    for (is_missing, name) in [
        (get("X-Content-Type-Options").is_none(), "X-Content-Type-Options"),
        (is_framed, "X-Frame-Options or frame-ancestors"),
        (get("Referrer-Policy").is_none(), "Referrer-Policy"),
    ] {
        if is_missing {
            flaw(About::Others, None, format!("no {name} is sent"));
        }
    }
    flaws
}

/// Whether a policy lets an injected script run, or names an address that is a leftover.
fn allows_scripts(policy: &str) -> bool {
    let scripts = directive_of(policy, "script-src").or_else(|| directive_of(policy, "default-src"));
    let scripts = scripts.unwrap_or_default();
    scripts.contains("'unsafe-inline'") || scripts.contains("'unsafe-eval'") || policy.contains("localhost")
}

fn directive_of<'a>(policy: &'a str, name: &str) -> Option<&'a str> {
    policy.split(';').map(str::trim).find_map(|directive| {
        let (first, rest) = directive.split_once(char::is_whitespace)?;
        first.eq_ignore_ascii_case(name).then_some(rest)
    })
}

/// The seconds that HSTS lasts.
fn max_age(value: &str) -> Option<u64> {
    value.split(';').find_map(|part| {
        let (name, seconds) = part.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("max-age");
        is_it.then(|| seconds.trim().trim_matches('"').parse().ok()).flatten()
    })
}
