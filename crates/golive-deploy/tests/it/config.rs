//! The rules over settings as they come from files and environments.

use std::collections::BTreeSet;
use std::sync::Arc;

use golive_deploy::{
    ConfigReport, ConfigRule, ConfigRules, Finding, PoolLimits, Settings, SettingsError, Severity,
    check_config, explain,
};
use proptest::prelude::*;

const KEY: &str = "f3a91c07be5d428866d20e17ac94b3507d1f6e82c05b9a347e16d8f0239c4ba5";

fn good() -> Vec<(&'static str, String)> {
    vec![
        ("ENVIRONMENT", "production".into()),
        ("SECRET_KEY", KEY.into()),
        ("DEBUG", "false".into()),
        ("CORS_ORIGINS", "https://app.client.mx,https://admin.client.mx:8443".into()),
        ("DATABASE_URL", "mysql://app:Xk29-vbQw71zz@db.client.mx/shop?ssl-mode=VERIFY_IDENTITY".into()),
        ("REDIS_URL", "redis://:Xk29-vbQw71zz@10.0.0.7:6379/0".into()),
        ("SENTRY_DSN", "https://publickey@errors.client.mx/4".into()),
        ("DATABASE_POOL_SIZE", "20".into()),
        ("DATABASE_MAX_OVERFLOW", "10".into()),
    ]
}

fn rules() -> ConfigRules {
    let mut rules = ConfigRules::production();
    rules.pool = Some(PoolLimits::new(4, 151));
    rules
}

fn with(name: &'static str, value: &str) -> ConfigReport {
    let mut pairs = good();
    pairs.retain(|(known, _)| *known != name);
    if value != "-" {
        pairs.push((name, value.to_owned()));
    }
    check_config(&Settings::from_pairs(pairs), &rules())
}

fn ids(report: &ConfigReport) -> BTreeSet<&str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

#[test]
fn good_settings_have_no_finding() {
    let report = check_config(&Settings::from_pairs(good()), &rules());
    assert!(report.is_ready() && report.findings.is_empty(), "{report:#?}");
}

#[test]
fn each_rule_fires_on_its_own_fault_and_alone() {
    for (name, value, id) in [
        ("ENVIRONMENT", "-", "CFG-011"),
        ("ENVIRONMENT", "staging", "CFG-011"),
        ("SECRET_KEY", "-", "CFG-001"),
        ("SECRET_KEY", "f3a91c07be5d428866d20e17ac94b350", "CFG-002"),
        ("SECRET_KEY", "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "CFG-004"),
        ("SECRET_KEY", "please-change-me-x7KqmP2v9LwB8nYcx7KqmP2v9LwB8nYcx7KqmP2v9LwB8nYc", "CFG-003"),
        ("DEBUG", "True", "CFG-010"),
        ("DEMO_MODE", "1", "CFG-090"),
        ("CORS_ORIGINS", "-", "CFG-020"),
        ("CORS_ORIGINS", "*", "CFG-021"),
        ("CORS_ORIGINS", "[\"https://app.client.mx\", \"http://localhost:5173\"]", "CFG-022"),
        ("CORS_ORIGINS", "http://app.client.mx", "CFG-023"),
        ("DATABASE_URL", "-", "CFG-030"),
        ("DATABASE_URL", "sqlite:///app.db", "CFG-030"),
        ("DATABASE_URL", "mysql://app:Xk29-vbQw71zz@db.client.mx/shop", "CFG-031"),
        ("DATABASE_URL", "mysql://app:Xk29-vbQw71zz@10.0.0.5/shop?ssl-mode=REQUIRED", "CFG-031"),
        ("DATABASE_URL", "mysql://app@127.0.0.1/shop", "CFG-032"),
        ("DATABASE_URL", "mysql://app:p%61ssword@127.0.0.1/shop", "CFG-032"),
        ("DATABASE_URL", "mysql://root:Xk29-vbQw71zz@127.0.0.1/shop", "CFG-033"),
        ("DATABASE_URL", "not a url", "CFG-034"),
        ("REDIS_URL", "-", "CFG-040"),
        ("REDIS_URL", "redis://:Xk29-vbQw71zz@cache.client.mx/0", "CFG-041"),
        ("REDIS_URL", "rediss://cache.client.mx/0", "CFG-042"),
        ("REDIS_URL", "http://cache.client.mx", "CFG-043"),
        ("SENTRY_DSN", "-", "CFG-050"),
        ("SENTRY_DSN", "http://publickey@errors.client.mx/4", "CFG-051"),
        ("SENTRY_DSN", "http://publickey@127.0.0.1:9000/4", "CFG-052"),
        ("SMTP_HOST", "changeme", "CFG-091"),
        ("DATABASE_POOL_SIZE", "26", "CFG-060"),
        ("DATABASE_POOL_SIZE", "many", "CFG-061"),
    ] {
        let report = with(name, value);
        assert_eq!(ids(&report), BTreeSet::from([id]), "{name}={value}: {report:#?}");
        assert!(explain(id).is_some());
        assert_eq!(report.is_ready(), id == "CFG-052");
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (name, value) in [
        ("DATABASE_URL", "mysql+asyncmy://app:Xk29-vbQw71zz@localhost/shop"),
        ("DATABASE_URL", "mariadb://app@localhost/shop?socket=/run/mysqld/mysqld.sock"),
        ("REDIS_URL", "rediss://:Xk29-vbQw71zz@cache.client.mx/0"),
        ("REDIS_URL", "redis://:Xk29-vbQw71zz@redis:6379/0"),
        ("DEBUG", "-"),
        ("DEBUG", "0"),
    ] {
        assert!(with(name, value).findings.is_empty(), "{name}={value}");
    }
}

#[test]
fn what_could_not_be_looked_at_is_not_ready() {
    let report = check_config(&Settings::from_pairs(good()), &ConfigRules::production());
    assert!(!report.is_ready() && report.findings.is_empty());
    assert_eq!(report.not_checked.len(), 1, "{:?}", report.not_checked);
}

#[cfg(unix)]
#[test]
fn files_have_lines_modes_and_a_history() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".env");
    let mut text: String = good().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    text.push_str("SECERT_KEY=x\nnot an assignment\nDEBUG=true\n");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let mut rules = rules();
    rules.known_names = vec!["PORT".into()];
    rules.tracked = Some(Arc::new(|_| Some(true)));
    let settings = Settings::parse_env_file(&path).expect("read");
    let report = check_config(&settings, &rules);
    let at: Vec<(&str, Option<u32>)> = report.findings.iter().map(|f| (f.id.as_str(), f.line)).collect();
    assert_eq!(
        at,
        [
            ("CFG-070", None),
            ("CFG-071", None),
            ("CFG-080", Some(10)),
            ("CFG-081", Some(11)),
            ("CFG-010", Some(12)),
            ("CFG-082", Some(12)),
        ],
        "{report:#?}"
    );
    assert!(report.findings.iter().any(|f| f.message.contains("did you mean SECRET_KEY")), "{report:#?}");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    rules.tracked = Some(Arc::new(|_| Some(false)));
    let report = check_config(&Settings::parse_env_file(&path).expect("read"), &rules);
    assert!(!ids(&report).contains("CFG-070") && !ids(&report).contains("CFG-071"));
    rules.tracked = None;
    let report = check_config(&Settings::parse_env_file(&path).expect("read"), &rules);
    assert!(report.not_checked.iter().any(|what| what.contains("version control")));

    std::fs::write(&path, vec![b'a'; 2 * 1024 * 1024]).expect("written");
    assert!(matches!(Settings::parse_env_file(&path), Err(SettingsError::TooLarge { .. })));
    std::fs::write(&path, [0xff, 0xfe]).expect("written");
    assert!(matches!(Settings::parse_env_file(&path), Err(SettingsError::NotText { .. })));
}

#[test]
fn the_key_of_an_example_file_is_found() {
    let mut rules = rules();
    rules.examples = vec![Settings::parse_env_text(".env.example", &format!("JWT_KEY={KEY}\n"))];
    rules.known_insecure_keys = vec!["nothing".into()];
    let report = check_config(&Settings::from_pairs(good()), &rules);
    assert_eq!(ids(&report), BTreeSet::from(["CFG-005"]));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = Settings::parse_env_text("x.env", "DEBUG=true\n");
    let settings = file.overlaid_by(Settings::from_pairs(good()));
    assert!(!ids(&check_config(&settings, &rules())).contains("CFG-010"));
}

struct Port;

impl ConfigRule for Port {
    fn id(&self) -> &str {
        "APP-001"
    }
    fn variables(&self) -> Vec<String> {
        vec!["PORT".into()]
    }
    fn check(&self, settings: &Settings) -> Vec<Finding> {
        let low =
            settings.get("PORT").and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port < 1024);
        low.then(|| Finding::new("APP-001", Severity::Warning, "PORT needs root", "use 8000"))
            .into_iter()
            .collect()
    }
}

#[test]
fn an_application_adds_its_own_rules() {
    let mut pairs = good();
    pairs.push(("PORT", "80".into()));
    let report = check_config(&Settings::from_pairs(pairs), &rules().with(Port));
    assert_eq!(ids(&report), BTreeSet::from(["APP-001"]));
}

proptest! {
    /// Whatever is in the variables: no panic, and no value of eight or more characters in the report.
    #[test]
    fn no_value_is_ever_told(marker in "[0-9A-Z]{12}", prefix in "(mysql://|redis://|https://|http://u:|)") {
        let names = good();
        let pairs = names.iter().map(|(name, _)| (*name, format!("{prefix}{marker}@{marker}.q/{marker}")));
        let report = check_config(&Settings::from_pairs(pairs), &rules());
        let text = format!("{report:?}{}", serde_json::to_string(&report).expect("a report is data"));
        prop_assert!(!text.to_uppercase().contains(&marker), "{text}");
    }
}

#[test]
fn a_value_that_is_kept_elsewhere_is_not_judged_until_it_is_here() {
    for kept in [("SECRET_KEY", "command:vault read key"), ("SECRET_KEY_FILE", "/run/secrets/key")] {
        let mut pairs = good();
        pairs.retain(|(name, _)| *name != "SECRET_KEY");
        pairs.push((kept.0, kept.1.to_owned()));
        pairs.push(("LOG_FILE", "/var/log/app.log".to_owned())); // no value of LOG
        let mut settings = Settings::from_pairs(pairs);
        let mut rules = rules();
        rules.known_names = vec!["SECRET_KEY".to_owned(), "LOG_FILE".to_owned()];
        let report = check_config(&settings, &rules);
        assert!(report.findings.is_empty() && !report.is_ready(), "what was not looked at is not ready");
        assert!(report.not_checked[0].starts_with("SECRET_KEY:"), "{:?}", report.not_checked);
        settings.fill("SECRET_KEY", "short".to_owned().into());
        assert_eq!(ids(&check_config(&settings, &rules)), BTreeSet::from(["CFG-002"]));
        settings.fill("SECRET_KEY", KEY.to_owned().into());
        assert!(check_config(&settings, &rules).is_ready());
    }
}
