//! What the tests of the running service share: the service itself, an endpoint that misbehaves on request, and waiting.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail like the test itself")]
#![expect(dead_code, reason = "each test uses its part")]

pub(crate) mod endpoint;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use golive_observe::Envelope;
use golive_sandbox::{Process, ProcessSpec, Received, free_port};
use serde_json::Value;

/// The service's own secret: registered, so it goes even where nothing marks it.
pub(crate) const OWN_SECRET: &str = "planted-own/secret 4711";
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) client: reqwest::blocking::Client,
    address: String,
    directory: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start(arguments: &[String]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let spec = ProcessSpec::new(example())
            .argument(format!("address={address}"))
            .arguments(arguments.to_vec())
            .input(OWN_SECRET)
            .output(directory.path().join("output"));
        let process = Process::start(spec).unwrap();
        let client = reqwest::blocking::Client::builder().timeout(LIMIT).build().unwrap();
        let service = Self { process, client, address, directory };
        until("the service answers", || {
            assert!(service.process.is_running(), "{}", service.output());
            service
                .client
                .get(service.url("/health/live"))
                .send()
                .is_ok_and(|response| response.status() == 200)
        });
        service
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::blocking::Response {
        self.client.get(self.url(path)).send().unwrap()
    }

    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }

    /// Ends the service as an orchestrator does, which flushes everything; returns what it printed.
    pub(crate) fn finish(self) -> String {
        let status = self.process.terminate(LIMIT);
        let output = self.output();
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{output}");
        output
    }
}

fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples/observed_service");
    assert!(path.exists(), "{} is missing: cargo builds it with the tests", path.display());
    path
}

pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "still not: {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn lines(output: &str) -> Vec<Value> {
    output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

pub(crate) fn to<'r>(received: &'r [Received], path: &str) -> Vec<&'r Received> {
    received.iter().filter(|request| request.path.starts_with(path)).collect()
}

pub(crate) fn events(received: &[Received]) -> Vec<golive_observe::EnvelopeEvent> {
    to(received, "/api/7/envelope")
        .into_iter()
        .flat_map(|request| Envelope::parse(&request.body).unwrap().events)
        .collect()
}
