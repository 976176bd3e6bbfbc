//! Chromium without a screen, by its driver: the few WebDriver commands that the tests need, over the HTTP client that is here anyway. A
//! client library would bring another HTTP stack and a text segmenter for them.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use golive_sandbox::Requirement;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// A driver and the browser that it started; both end with the value.
pub(crate) struct Chromium {
    client: Client,
    /// Where the driver takes commands to this browser.
    session: String,
    driver: Child,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // With whatever it started: the browser is in its group.
        if let Some(group) = rustix::process::Pid::from_raw(self.driver.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.driver.wait();
    }
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let program = Requirement::Chromedriver.find().unwrap_or_else(|missing| panic!("{missing}"));
        let mut driver = spawn(&program);
        let stdout = tokio::process::ChildStdout::from_std(driver.stdout.take().unwrap()).unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("the driver says its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let capabilities = json!({
            "goog:chromeOptions": { "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = Client::builder().timeout(Duration::from_secs(120)).build().unwrap();
        let driver_url = format!("http://127.0.0.1:{port}/session");
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let answer =
            client.post(&driver_url).json(&body).send().await.unwrap().json::<Value>().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {answer}"));
        let session = format!("{driver_url}/{id}");
        Self { client, session, driver }
    }

    /// A command of the WebDriver protocol, or what the driver says against it.
    async fn try_command(&self, command: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}/{command}", self.session);
        let answer = self.client.post(url).json(&body).send().await.map_err(|error| error.to_string())?;
        let fine = answer.status().is_success();
        let mut answer = answer.json::<Value>().await.map_err(|error| error.to_string())?;
        if fine { Ok(answer["value"].take()) } else { Err(answer["value"].to_string()) }
    }

    async fn command(&self, command: &str, body: Value) -> Value {
        self.try_command(command, body).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.command("url", json!({ "url": url })).await;
    }

    pub(crate) async fn refresh(&self) {
        self.command("refresh", json!({})).await;
    }

    /// What is to be seen, as PNG in base64.
    pub(crate) async fn screenshot(&self) -> String {
        let url = format!("{}/screenshot", self.session);
        let answer = self.client.get(url).send().await.unwrap().json::<Value>().await.unwrap();
        answer["value"].as_str().unwrap().to_owned()
    }

    /// Keys, to whatever has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.command("actions", actions).await;
    }

    /// Follows the console's link.
    pub(crate) async fn enter(&self, served: &super::Served) {
        self.goto(served.entry.as_ref().unwrap()).await;
    }

    /// The screen as wide as this, in this scheme of colors.
    pub(crate) async fn look(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// What the browser complained of since it was last asked: scripts that failed, and whatever the policy forbade.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "browser" })).await;
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// What a script in the page gives.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.command("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until the script gives `true`.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let deadline = std::time::Instant::now() + Duration::from_secs(40);
        loop {
            // A page that is just being replaced has no answer.
            let answer = self.try_command("execute/sync", json!({ "script": script, "args": [] })).await;
            if answer.is_ok_and(|answer| answer == true) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{what}: never so");
            tokio::task::yield_now().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one room of these tests that starts a program")]
fn spawn(program: &std::path::Path) -> Child {
    let mut command = std::process::Command::new(program);
    command
        .arg("--port=0")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Keys of the WebDriver protocol, section 17.4.2.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
