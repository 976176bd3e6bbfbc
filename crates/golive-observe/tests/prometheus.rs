//! A real Prometheus reads what the service exposes, takes the rules, fires them, and answers every query of the dashboard.
#![expect(clippy::unwrap_used, reason = "a test that fails")]

mod support;

use std::fs;
use std::path::Path;

use golive_observe::{
    HealthChecks, PoolStatus, RedisInfo, alert_rules, grafana_dashboard, metrics, metrics_text,
};
use golive_sandbox::{Process, ProcessSpec, Requirement, free_port, run_to_end};
use serde_json::Value;
use support::{LIMIT, Service, until};

fn promtool(arguments: &[&str], input: &str) -> String {
    let tool = Requirement::Promtool.find().unwrap();
    let spec = ProcessSpec::new(tool).arguments(arguments.to_vec()).input(input);
    let finished = run_to_end(spec, LIMIT).unwrap();
    let said = finished.output;
    assert!(finished.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn promtool_accepts_the_rules() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.yml");
    fs::write(&file, alert_rules()).unwrap();
    let said = promtool(&["check", "rules", &file.display().to_string()], "");
    assert!(said.contains("rules found"), "{said}");
    assert!(
        said.contains(&format!("SUCCESS: {} rules found", alert_rules().matches("- alert: ").count())),
        "{said}"
    );
}

#[test]
fn promtool_finds_nothing_to_mend_in_the_metrics() {
    let service = Service::start(&[]);
    for path in ["/orders/1", "/fail", "/unavailable"] {
        service.get(path);
    }
    let beacon = r#"{"page":"/orders/17","load_ms":812,"requests":[{"route":"/api/x","ms":3}],"errors":[{"message":"x"}]}"#;
    assert_eq!(service.client.post(service.url("/beacon")).body(beacon).send().unwrap().status(), 204);
    let text = service.get("/metrics").text().unwrap();
    for name in [
        "browser_page_load_seconds_bucket{page=\"/orders/:id\"",
        "browser_errors_total 1",
        "browser_beacons_total",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert_eq!(promtool(&["check", "metrics"], &text), "");
    service.finish();
    // Those that only a service with a pool, Redis, a cache and backups has.
    metrics().observe_pool(|| PoolStatus::new(1, 1, 0));
    metrics().observe_redis(|| true);
    let info =
        "used_memory:7\nmaxmemory:8\nconnected_clients:2\nevicted_keys:1\nkeyspace_hits:5\nkeyspace_misses:4";
    metrics().observe_redis_info(move || RedisInfo::parse(info));
    assert!(metrics_text().contains("redis_memory_used_bytes 7"));
    metrics().observe_backup_age(|| Some(1.0));
    metrics().cache_hit();
    let _routes: axum::Router = HealthChecks::new().router();
    assert_eq!(promtool(&["check", "metrics"], &metrics_text()), "");
}

struct Prometheus {
    _process: Process,
    address: String,
    client: reqwest::blocking::Client,
}

impl Prometheus {
    fn start(directory: &Path, service: &Service) -> Self {
        fs::write(directory.join("rules.yml"), alert_rules()).unwrap();
        let target = service.url("").trim_start_matches("http://").to_owned();
        let config = format!(
            "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: observed\n    static_configs: [{{ targets: ['{target}'] }}]\n"
        );
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let spec = ProcessSpec::new(Requirement::Prometheus.find().unwrap())
            .argument(format!("--config.file={}", directory.join("prometheus.yml").display()))
            .argument(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .argument(format!("--web.listen-address={address}"))
            .directory(directory)
            .output(directory.join("output"));
        let process = Process::start(spec).unwrap();
        let client = reqwest::blocking::Client::builder().timeout(LIMIT).build().unwrap();
        let prometheus = Self { _process: process, address, client };
        until("Prometheus is ready", || {
            let ready = prometheus.client.get(format!("http://{}/-/ready", prometheus.address)).send();
            ready.is_ok_and(|answer| answer.status() == 200)
        });
        prometheus
    }

    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut url = url::Url::parse(&format!("http://{}/api/v1/{path}", self.address)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        serde_json::from_str(&self.client.get(url).send().unwrap().text().unwrap()).unwrap()
    }
}

#[test]
fn a_prometheus_server_scrapes_evaluates_fires_and_draws() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(&[]);
    service.get("/orders/1");
    service.get("/fail");
    let prometheus = Prometheus::start(directory.path(), &service);
    until("it has scraped", || {
        let targets = prometheus.ask("targets", &[]);
        targets["data"]["activeTargets"][0]["health"] == "up"
    });
    until("every rule was evaluated without an error", || {
        let rules = prometheus.ask("rules", &[]);
        let rules = rules["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:#?}");
        rules.len() == alert_rules().matches("- alert: ").count()
            && rules.iter().all(|rule| rule["health"] == "ok")
    });
    service.client.post(service.url("/database/stop")).send().unwrap();
    until("the page fires", || {
        service.get("/health/ready");
        let alerts = prometheus.ask("alerts", &[]);
        let alerts = alerts["data"]["alerts"].as_array().cloned().unwrap_or_default();
        alerts.iter().any(|alert| alert["labels"]["alertname"] == "NotReady" && alert["state"] == "firing")
    });

    let dashboard: Value = serde_json::from_str(grafana_dashboard()).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression.replace("$job", ".*").replace("$__rate_interval", "1m");
            let answer = prometheus.ask("query", &[("query", &expression)]);
            assert_eq!(answer["status"], "success", "{expression}: {answer}");
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked}");
    service.finish();
}
