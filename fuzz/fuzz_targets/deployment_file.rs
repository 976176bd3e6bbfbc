//! The audits of Dockerfiles, compose files, and files of nginx, Caddy and Traefik: the first byte chooses.
#![no_main]

use golive_deploy::{
    Finding, audit_caddy, audit_compose, audit_dockerfile, audit_nginx, audit_traefik, to_sarif,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let audit: fn(&str, &str) -> Vec<Finding> = match first % 5 {
        0 => audit_dockerfile,
        1 => audit_compose,
        2 => audit_nginx,
        3 => audit_caddy,
        _ => audit_traefik,
    };
    let findings = audit("file", &text);
    let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    for finding in &findings {
        assert!(finding.line.is_none_or(|line| line <= lines.saturating_add(1)), "no such line: {finding:?}");
        if let (Some(excerpt), Some(span)) = (&finding.excerpt, finding.span) {
            let end = u64::from(span.column) + u64::from(span.length) - 1;
            assert!(end <= excerpt.chars().count() as u64, "beyond the line: {finding:?}");
        }
    }
    let log = to_sarif(&findings, "golive.toml");
    assert_eq!(log["runs"][0]["results"].as_array().map(Vec::len), Some(findings.len()));
});
