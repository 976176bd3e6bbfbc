//! A console that is served, runs to look at, and a client that keeps its cookies.

#![allow(dead_code, reason = "each test target uses its part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use golive::{Entry, Journal, RunDirectory};
use golive_gate::{Fact, Policy, StepResult, StepStatus, Test};
use golive_server::{ServerOptions, bind};
use reqwest::{Client, Method, Response, StatusCode, header};
use secrecy::ExposeSecret;

/// A served console; it ends with the value.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) entry: Option<String>,
    pub(crate) base: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    /// A console that somebody else serves.
    pub(crate) fn elsewhere(url: String, base: tempfile::TempDir) -> Self {
        Self { url, entry: None, base, task: tokio::spawn(async {}) }
    }
}

/// Serves a folder without runs.
pub(crate) async fn serve(change: impl FnOnce(&mut ServerOptions)) -> Served {
    serve_folder(tempfile::tempdir().unwrap(), change).await
}

/// Serves this folder.
pub(crate) async fn serve_folder(base: tempfile::TempDir, change: impl FnOnce(&mut ServerOptions)) -> Served {
    let mut options = ServerOptions::new(base.path().to_owned());
    change(&mut options);
    let server = bind(&options).await.unwrap();
    let url = server.url();
    let entry = server.entry_url().map(|url| url.expose_secret().to_owned());
    let task = tokio::spawn(server.serve(std::future::pending()));
    Served { url, entry, base, task }
}

/// A browser without a screen: it keeps cookies, follows nothing, and says where its forms come from.
pub(crate) struct Browser {
    client: Client,
    pub(crate) url: String,
    pub(crate) cookies: BTreeMap<String, String>,
    /// What it says as `Origin` of a form.
    pub(crate) origin: Option<String>,
}

impl Browser {
    pub(crate) fn new(served: &Served) -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = served.url.clone();
        Self { client, origin: Some(url.clone()), url, cookies: BTreeMap::new() }
    }

    /// One that came in by the link.
    pub(crate) async fn entered(served: &Served) -> Self {
        let mut browser = Self::new(served);
        let path = served.entry.as_ref().unwrap().strip_prefix(&served.url).unwrap().to_owned();
        assert_eq!(browser.get(&path).await.status(), StatusCode::SEE_OTHER);
        browser
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn text(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    pub(crate) async fn json(&mut self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace('+', "%2B")))
            .collect::<Vec<_>>()
            .join("&");
        self.send(Method::POST, path, &[("content-type", "application/x-www-form-urlencoded")], Some(body))
            .await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Response {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(origin) = self.origin.as_ref().filter(|_| method == Method::POST) {
            request = request.header(header::ORIGIN, origin);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.timeout(Duration::from_secs(20)).send().await.unwrap();
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The token that forms of this page carry.
    pub(crate) async fn csrf(&mut self, path: &str) -> String {
        let page = self.text(path).await;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }

    pub(crate) async fn log_in(&mut self, name: &str, password: &str) -> Response {
        let csrf = self.csrf("/login").await;
        self.post("/login", &[("csrf", &csrf), ("name", name), ("password", password)]).await
    }

    pub(crate) fn session(&self) -> Option<String> {
        self.cookies.iter().find(|(name, _)| name.contains("session")).map(|(_, value)| value.clone())
    }
}

/// Results of every step, with facts that let every criterion pass.
pub(crate) fn results(at: DateTime<Utc>) -> Vec<StepResult> {
    let mut results = Vec::new();
    for about in golive::list() {
        let mut result = StepResult::new(about.id, about.phase, about.title, StepStatus::Passed);
        result.seconds = 1.5;
        result.plan = vec![format!("do what `{}` does", about.id)];
        if about.id == "copy" {
            result.plan = vec!["orders: 1200 rows".to_owned(), "items: 34 rows".to_owned()];
        }
        result.supplies = about.supplies.iter().map(|&fact| fact.to_owned()).collect();
        for fact in about.supplies {
            result.proof.push(Fact::new(*fact, good(fact), "seen by a test", at));
        }
        results.push(result);
    }
    results
}

fn good(fact: &str) -> serde_json::Value {
    let all = golive_gate::criteria().iter().flat_map(|criterion| criterion.requirements);
    match all.clone().find(|need| need.fact == fact).map(|need| need.test) {
        Some(Test::True) => true.into(),
        Some(Test::False) => false.into(),
        Some(Test::AtLeast(least)) => (least + 1.0).into(),
        Some(Test::Equals(text)) => text.into(),
        Some(Test::NotEmpty) => "something".into(),
        _ => 0.into(),
    }
}

/// A run that came to its report.
pub(crate) fn ended_run(base: &Path, folder: &str, name: &str, results: &[StepResult], at: DateTime<Utc>) {
    let directory = RunDirectory::create(&base.join(folder), name).unwrap();
    write_journal(&directory, name, results, at);
    let facts: Vec<Fact> = results.iter().flat_map(|result| result.proof.clone()).collect();
    let report = golive_gate::judge(&facts, results, &Policy::default(), at + TimeDelta::seconds(60));
    let report = report.of_run("Ledger <b>&</b>", name, at);
    golive::write_private(&directory.path("report.json"), golive_gate::to_json(&report).as_bytes()).unwrap();
}

/// The journal of a run as far as these results.
pub(crate) fn write_journal(
    directory: &RunDirectory,
    name: &str,
    results: &[StepResult],
    at: DateTime<Utc>,
) -> Journal {
    let journal = Journal::open(&directory.path("journal.jsonl")).unwrap();
    journal
        .append(Entry::Opened {
            at,
            run: name.to_owned(),
            version: "0".to_owned(),
            resumed: false,
            subject: "a test".to_owned(),
        })
        .unwrap();
    for result in results {
        journal.append(Entry::Started { at, step: result.id.clone() }).unwrap();
        let result = Box::new(result.clone());
        journal.append(Entry::Ended { at, result, config: BTreeMap::new() }).unwrap();
    }
    journal
}

#[expect(clippy::disallowed_methods, reason = "evidence of a test is of now, or the gate would call it old")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
