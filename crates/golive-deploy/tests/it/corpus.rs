//! Files as well-kept projects write them: the audit finds nothing in them, or what it finds is listed here with the reason.

use std::collections::BTreeSet;
use std::path::Path;

use golive_deploy::{audit_caddy, audit_compose, audit_dockerfile, audit_nginx, audit_traefik};

/// What is found, and rightly: file, rule, why.
const RIGHTLY: [(&str, &str, &str); 0] = [];

#[test]
fn nothing_is_found_in_well_kept_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        let (kind, findings) = match name.as_str() {
            name if name.ends_with(".Dockerfile") => ("Dockerfile", audit_dockerfile(name, &text)),
            name if name.starts_with("compose") => ("compose", audit_compose(name, &text)),
            name if name.starts_with("nginx") => ("nginx", audit_nginx(name, &text)),
            name if name.starts_with("traefik") => ("traefik", audit_traefik(name, &text)),
            name if name.starts_with("Caddyfile") => ("caddy", audit_caddy(name, &text)),
            "README.md" => continue,
            name => panic!("{name} is of no kind"),
        };
        seen.insert(kind);
        let is_right = |id: &str| RIGHTLY.iter().any(|(file, rule, _)| *file == name && *rule == id);
        wrong.extend(findings.into_iter().filter(|finding| !is_right(&finding.id)).map(|finding| {
            format!("{name}:{}: {} {}", finding.line.unwrap_or_default(), finding.id, finding.message)
        }));
    }
    assert_eq!(seen, BTreeSet::from(["Dockerfile", "caddy", "compose", "nginx", "traefik"]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
