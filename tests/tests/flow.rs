//! The whole go-live of the demo platform, as a user starts it.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::collections::BTreeSet;
use std::path::Path;

use golive_tests::{CommandLineWatch, Document, Ended, Platform, Run, leftovers, seconds, wait_until};
use serde_json::Value;

/// One run serves both: a second one would prove nothing more, and takes as long.
#[test]
fn heavy_a_rehearsal_passes_all_criteria_leaves_nothing_running_and_leaks_no_secret() {
    let platform = Platform::demo();
    let watch = CommandLineWatch::start();
    let ended = platform.golive(&["rehearse", "--format", "json"]);
    let lines = watch.end();
    let run = platform.rehearsal();
    // Before all else: a leak in a run that failed is a leak.
    no_secret_leaks(&run, &ended, &lines);
    let report = Document::of(&ended);
    assert_eq!(ended.code, Some(0), "{}{ended}", report.trouble());
    assert_eq!(report.verdict(), "go", "{}", report.trouble());
    every_criterion_passes_from_evidence(&report);
    every_step_says_what_it_did(&report);
    a_lost_server_costs_less_than_a_day(&report);
    for name in ["report.json", "report.html", "report.md", "report.xml", "recovery.md"] {
        assert!(run.text(name).len() > 500, "{name} is hardly a report");
    }
    let written: Value = serde_json::from_str(&run.text("report.json")).unwrap();
    assert_eq!(written, report.value, "the report in the folder is the one that was printed");
    assert!(run.text("report.html").starts_with("<!DOCTYPE html>"));
    wait_until("all servers to be gone", seconds(5), || leftovers(platform.root()).is_empty().then_some(()));
    assert!(!run.path("servers").exists(), "the servers' data was disposable");
}

fn every_criterion_passes_from_evidence(report: &Document) {
    assert_eq!(report.criteria().into_keys().collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>());
    for criterion in report.value["criteria"].as_array().unwrap() {
        assert_eq!(criterion["status"], "pass", "{}", report.trouble());
        let evidence = criterion["evidence"].as_array().unwrap();
        assert!(!evidence.is_empty(), "criterion {} rests on nothing", criterion["number"]);
        for one in evidence {
            for key in ["source", "collected_at", "expected"] {
                assert!(one[key].as_str().is_some_and(|text| !text.is_empty()), "no {key}: {one}");
            }
            assert!(!one["value"].is_null(), "no value: {one}");
        }
    }
}

/// So much it would cost by daily backups alone; the archive of the binary log was measured instead.
fn a_lost_server_costs_less_than_a_day(report: &Document) {
    let criteria = report.value["criteria"].as_array().unwrap();
    let mut evidence = criteria.iter().flat_map(|criterion| criterion["evidence"].as_array().unwrap());
    let loss = evidence.find(|one| one["fact"] == "recovery.rpo_seconds").unwrap();
    assert!(loss["value"].as_f64().unwrap() < 3600.0, "{loss}");
    assert!(loss["source"].as_str().unwrap().contains("archived binary log"), "{loss}");
}

fn every_step_says_what_it_did(report: &Document) {
    assert!(report.steps().len() >= 30, "{} steps", report.steps().len());
    for step in report.steps() {
        let id = &step["id"];
        assert_eq!(step["status"], "passed", "{id}: {} {}", step["reason"], step["error"]);
        assert!(!step["plan"].as_array().unwrap().is_empty(), "{id} has no plan");
        assert!(!step["proof"].as_array().unwrap().is_empty(), "{id} has no proof");
        assert!(step["seconds"].as_f64().unwrap() > 0.0, "{id} took no time");
    }
}

/// No password, key or token that the run made stands anywhere but in the files that are there to hold it.
fn no_secret_leaks(run: &Run, ended: &Ended, lines: &BTreeSet<String>) {
    let secrets = secrets(run);
    assert!(secrets.len() >= 10, "too few secrets to mean anything: {}", secrets.len());
    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("stdout".to_owned(), ended.stdout.clone().into_bytes()),
        ("stderr".to_owned(), ended.stderr.clone().into_bytes()),
    ];
    places.extend(lines.iter().map(|line| ("a command line".to_owned(), line.clone().into_bytes())));
    let private = [run.path("secrets"), run.path("production.env"), run.path("servers")];
    for file in run.files("").into_iter().filter(|file| !private.iter().any(|place| file.starts_with(place)))
    {
        places.push((file.display().to_string(), std::fs::read(&file).unwrap()));
    }
    for must in ["journal.jsonl", "logs", "schedule", "recovery.md", "site.conf", "report.html"] {
        assert!(places.iter().any(|(name, _)| name.contains(must)), "{must} was not looked at");
    }
    for (name, bytes) in &places {
        for (secret, value) in &secrets {
            let found = forms(value).iter().any(|form| holds(bytes, form.as_bytes()));
            assert!(!found, "{name} holds the secret {secret}");
        }
    }
    // The same search finds them where they belong, and the watch saw those who were given them.
    let environment = std::fs::read(run.path("production.env")).unwrap();
    for (name, value) in secrets.iter().filter(|(name, _)| name.ends_with("_URL") || name == "secret_key") {
        assert!(forms(value).iter().any(|form| holds(&environment, form.as_bytes())), "{name} was not found");
    }
    for program in ["mariadbd", "redis-server", "nginx", "golive-demo serve", "golive rehearse"] {
        assert!(lines.iter().any(|line| line.contains(program)), "the watch missed {program}");
    }
    assert_eq!(run.mode(Path::new("secrets")), 0o700);
    for file in run.files("secrets").into_iter().chain(run.files("production.env")).chain(keys_of_proxy(run))
    {
        assert_eq!(run.mode(&file), 0o600, "{} can be read by others", file.display());
    }
}

fn keys_of_proxy(run: &Run) -> Vec<std::path::PathBuf> {
    run.files("proxy").into_iter().filter(|file| file.ends_with("key.pem")).collect()
}

/// What must not leak, by name: what the run keeps among its secrets, and what production logs in to servers with.
fn secrets(run: &Run) -> Vec<(String, String)> {
    let mut secrets = Vec::new();
    for file in run.files("secrets") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let value = text.lines().rfind(|line| !line.starts_with('#')).unwrap_or_default().trim().to_owned();
        assert!(value.len() >= 16, "{name} is short: is it a secret?");
        secrets.push((name, value));
    }
    for line in run.text("production.env").lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        if let Some((_, password)) = value.split_once('@').and_then(|(start, _)| start.rsplit_once(':')) {
            // The error tracker's public key is none.
            if name != "SENTRY_DSN" {
                secrets.push((name.to_owned(), password.to_owned()));
            }
        }
    }
    for must in
        ["DATABASE_URL", "REDIS_URL", "secret_key", "password-northwind_admin", "backup-key", "demo_token"]
    {
        assert!(secrets.iter().any(|(name, _)| name == must), "no secret {must}");
    }
    secrets
}

/// A secret as it is, and as JSON, HTML and a URL write it.
fn forms(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let url: String = secret
        .bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    vec![secret.to_owned(), json[1..json.len() - 1].to_owned(), html, url]
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
