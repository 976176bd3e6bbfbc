//! Embedding takes at most fifteen lines, and those lines are a whole service.

use std::time::{Duration, Instant};

use golive_sandbox::{Process, ProcessSpec, free_port};

#[test]
fn fifteen_lines_are_a_service_that_is_observed() {
    let source = include_str!("../examples/minimal.rs");
    let lines = source.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).count();
    assert!(lines <= 15, "{lines} lines");

    let directory = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/minimal");
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let output = directory.path().join("output");
    let process =
        Process::start(ProcessSpec::new(program).argument(address.as_str()).output(&output)).unwrap();
    let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let get = |path: &str| client.get(format!("http://{address}{path}")).send();
    let began = Instant::now();
    while !get("/health/ready").is_ok_and(|answer| answer.status() == 200) {
        assert!(began.elapsed() < Duration::from_secs(20) && process.is_running(), "it never became ready");
    }
    let answer = get("/orders/7").unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.text().unwrap(), "an order");
    assert_eq!(get("/health/deep").unwrap().status(), 401, "deep health is for who knows the token");
    assert!(get("/metrics").unwrap().text().unwrap().contains("http_route=\"/orders/{id}\""));
    assert!(process.terminate(Duration::from_secs(20)).is_some_and(|status| status.success()));
    let log = std::fs::read_to_string(&output).unwrap();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["message"], "request answered");
}
