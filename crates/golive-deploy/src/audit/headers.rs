//! What the headers that a proxy sends are worth, whatever it is configured in. Where they come from is not known here.

use crate::finding::Finding;

/// Six months: less gives no A+.
pub(super) const HSTS_SECONDS: u64 = 15_552_000;

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
    let policy = get("Content-Security-Policy");
    let mut findings = Vec::new();
    let mut find = |id, line, what: String| {
        findings.push(Finding::of(id, format!("{}: {what}", site.name)).at(site.file, line));
    };
    match get("Strict-Transport-Security") {
        None if site.is_partly_unseen => {}
        None => find("DEP-503", site.line, "no Strict-Transport-Security is sent".to_owned()),
        Some(header) if max_age(&header.value).is_none_or(|seconds| seconds < HSTS_SECONDS) => {
            let what = format!("HSTS lasts less than six months ({HSTS_SECONDS} seconds)");
            find("DEP-503", header.line, what);
        }
        Some(_) => {}
    }
    match policy {
        None if site.is_partly_unseen => {}
        None => find("DEP-504", site.line, "no Content-Security-Policy is sent".to_owned()),
        Some(policy) if allows_scripts(&policy.value) => {
            let what = "the policy allows inline scripts, eval, or a local address".to_owned();
            find("DEP-513", policy.line, what);
        }
        Some(_) => {}
    }
    let framing = get("X-Frame-Options").is_some()
        || policy.is_some_and(|policy| policy.value.contains("frame-ancestors"));
    for (is_there, what) in [
        (get("X-Content-Type-Options").is_some(), "X-Content-Type-Options"),
        (framing, "X-Frame-Options or frame-ancestors"),
        (get("Referrer-Policy").is_some(), "Referrer-Policy"),
    ] {
        if !is_there && !site.is_partly_unseen {
            find("DEP-505", site.line, format!("no {what} is sent"));
        }
    }
    findings
}

/// Whether a policy lets an injected script run, or names an address that is a leftover.
pub(super) fn allows_scripts(policy: &str) -> bool {
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
pub(super) fn max_age(value: &str) -> Option<u64> {
    value.split(';').find_map(|part| {
        let (name, seconds) = part.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("max-age");
        is_it.then(|| seconds.trim().trim_matches('"').parse().ok()).flatten()
    })
}

/// Whether a suite gives no forward secrecy or is broken, by its IANA name.
pub(super) fn is_weak_suite(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("TLS_RSA_")
        || ["RC4", "3DES", "_DES_", "NULL", "EXPORT", "ANON"].iter().any(|word| name.contains(word))
}
