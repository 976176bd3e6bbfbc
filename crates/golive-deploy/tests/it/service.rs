//! Rendered files for a service: they pass our own audit and the judgement of others.

use std::path::Path;
use std::time::Duration;

use golive_deploy::{
    ConfigRules, Language, RenderError, Service, Settings, Severity, Variable, audit_compose,
    audit_dockerfile, check_config, render_compose, render_dockerfile, render_environment, render_unit,
    worst,
};
use golive_sandbox::{ProcessSpec, run_to_end};

const LANGUAGES: [Language; 3] = [Language::Rust, Language::Python, Language::Node];

fn service(language: Language) -> Service {
    let mut service = Service::new("line-tracker", language, ["/usr/local/bin/line-tracker", "serve"], 8080);
    service.ready_path = Some("/health/ready".into());
    service.variables = vec![
        Variable::fixed("ENVIRONMENT", "production"),
        Variable::fixed("CORS_ORIGINS", "https://a.example $5 'x'"),
        Variable::fixed("SECRET_KEY", "this-must-not-get-in"),
        Variable::required("DATABASE_URL"),
    ];
    service
}

#[test]
fn dockerfiles_pass_the_audit_but_for_digests_that_nobody_here_knows() {
    for language in LANGUAGES {
        let text = render_dockerfile(&service(language)).unwrap();
        let findings = audit_dockerfile("Dockerfile", &text);
        let others: Vec<_> = findings.iter().filter(|finding| finding.id != "DEP-105").collect();
        assert!(others.is_empty() && worst(&findings) == Some(Severity::Note), "{others:#?}\n{text}");
        assert!(!text.contains("must-not"), "{text}");
    }
}

#[test]
fn compositions_pass_the_audit_and_the_specification() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/compose-spec.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for language in LANGUAGES {
        let text = render_compose(&service(language)).unwrap();
        assert_eq!(audit_compose("compose.yml", &text), Vec::new(), "{text}");
        let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<String> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
        let environment = &document["services"]["application"]["environment"];
        assert_eq!(environment["CORS_ORIGINS"], "https://a.example $$5 'x'");
        assert_eq!(environment["SECRET_KEY"], "${SECRET_KEY:?see .env.example}");
        assert!(!text.contains("must-not"), "{text}");
        let published = |name: &str| document["services"][name].get("ports").is_some();
        assert!(published("proxy") && !["application", "database", "cache"].into_iter().any(published));
    }
}

fn analyze(arguments: &[&str], unit: &Path) -> (bool, String) {
    let spec = ProcessSpec::new("systemd-analyze").arguments(arguments.iter().copied()).argument(unit);
    let finished = run_to_end(spec, Duration::from_secs(60)).expect("systemd-analyze runs");
    (finished.status.success(), finished.output + &finished.errors)
}

#[test]
fn units_are_taken_by_systemd_and_expose_little() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("line-tracker.service");
    for language in LANGUAGES {
        let mut service = service(language);
        service.command = vec!["/bin/sh".into(), "-c".into(), "exec \"$0\" 100% \\ x".into()];
        let text = render_unit(&service).unwrap();
        std::fs::write(&unit, &text).unwrap();
        let (valid, said) = analyze(&["verify", "--man=no"], &unit);
        assert!(valid && !said.contains("line-tracker.service:"), "{said}\n{text}");
        let (safe, said) = analyze(&["security", "--offline=yes", "--threshold=20"], &unit);
        assert!(safe, "{said}");
    }
    std::fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
    assert!(!analyze(&["security", "--offline=yes", "--threshold=20"], &unit).0, "it does judge");
}

#[test]
fn a_template_names_what_is_to_be_given() {
    let text = render_environment(&service(Language::Rust)).unwrap();
    let settings = Settings::parse_env_text(".env", &text);
    let report = check_config(&settings, &ConfigRules::production());
    let found: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert!(text.contains("\nSECRET_KEY=\n") && text.contains("\nDATABASE_URL=\n"), "{text}");
    assert!(text.contains("\nENVIRONMENT=production\n") && !text.contains("must-not"), "{text}");
    assert!(found.contains(&"CFG-001"), "{found:?}");
    let sourced = run_to_end(
        ProcessSpec::new("sh").arguments(["-c", &format!("{text}\nprintf %s \"$CORS_ORIGINS\"")]),
        Duration::from_secs(10),
    );
    assert_eq!(sourced.unwrap().output.trim_end(), "https://a.example $5 'x'");
}

#[test]
fn what_would_be_misread_is_refused() {
    type Change = fn(&mut Service);
    let changes: [(&str, Change); 8] = [
        ("name", |service| service.name = "Line Tracker".into()),
        ("name", |service| service.name = "../x".into()),
        ("command", |service| service.command.clear()),
        ("command", |service| service.command.push("a\nUSER root".into())),
        ("live_path", |service| service.live_path = "/x\" ; rm".into()),
        ("ready_path", |service| service.ready_path = Some("x".into())),
        ("variables", |service| service.variables.push(Variable::required("A=B"))),
        ("variables", |service| service.variables.push(Variable::fixed("A", "x\ny"))),
    ];
    for (wanted, change) in changes {
        let mut service = service(Language::Python);
        change(&mut service);
        for rendered in [
            render_dockerfile(&service),
            render_compose(&service),
            render_unit(&service),
            render_environment(&service),
        ] {
            assert!(
                matches!(rendered, Err(RenderError::Unsafe { field, .. }) if field == wanted),
                "{wanted}"
            );
        }
    }
    let mut relative = service(Language::Rust);
    relative.command = vec!["line-tracker".into()];
    assert!(render_unit(&relative).is_err(), "systemd wants an absolute path");
}
