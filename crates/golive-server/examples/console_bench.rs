//! What two hundred watchers of a migration cost it, and how long a page takes beside a static file of the same server: on a real
//! server, a run with watchers and one without in turn. Prints one JSON document; `cargo xtask bench console` judges it.
//!
//! Here the watchers take their share of the same processors, as browsers of other machines would not.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and says where it cannot go on"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use golive::{Config, FlowOptions, Mode, ProductionOptions};
use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_server::{ServerOptions, bind};
use reqwest::{Client, header};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{Connection, Executor};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const WATCHERS: usize = 200;
const ROUNDS: usize = 3;
/// Unless another number is given.
const ROWS: u64 = 1_000_000;
/// The script of a page asks for it again so often at most.
const REFRESH: Duration = Duration::from_millis(700);
const CONFIG: &str =
    "[application]\nname = \"bench\"\n[source]\nsqlite = \"app.db\"\n[target]\nurl = \"env:TARGET\"\n";

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let rows = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(ROWS);
    source(&folder.path().join("app.db"), rows).await;
    let server = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let (mut bare, mut watched, mut pages, mut sent) = (Vec::new(), Vec::new(), Pages::default(), 0);
    for round in 0..=ROUNDS * 2 {
        let database = format!("bench_{round}");
        server.create_database(&database).unwrap();
        let base = folder.path().join(format!("runs-{round}"));
        std::fs::create_dir(&base).unwrap();
        let url = server.url(&database);
        if round == ROUNDS * 2 {
            // Whoever measures pages is one more guest, so no time of this run is taken.
            let console = Console::open(&base).await;
            let measures = console.measures();
            run(folder.path(), &base, &url).await;
            // The server stays until the last page that was asked for is there.
            console.end.cancel();
            pages = measures.await.unwrap();
            console.close().await;
        } else if (round / 2 + round) % 2 == 0 {
            // Which of the two begins changes from pair to pair.
            bare.push(run(folder.path(), &base, &url).await);
        } else {
            let console = Console::open(&base).await;
            watched.push(run(folder.path(), &base, &url).await);
            sent += console.close().await;
        }
        server.execute(&format!("DROP DATABASE {database}")).unwrap();
    }
    let least = |seconds: &[f64]| seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let (page, file) = (p95(&mut pages.page), p95(&mut pages.file));
    let document = json!({
        "ratios": [
            { "name": "a run with 200 watchers beside one without", "ratio": least(&watched) / least(&bare), "at_most": 1.02 },
            { "name": "p95 of a page beside p95 of a static file", "ratio": page.zip(file).map(|(page, file)| page / file), "at_most": 50.0 },
        ],
        "told": [
            { "name": "seconds of a run without watchers", "value": least(&bare) },
            { "name": "ms, p95 of a page", "value": page },
            { "name": "ms, p95 of a static file", "value": file },
            { "name": "pages sent to watchers", "value": sent as f64 },
        ],
    });
    println!("{document:#}");
}

async fn source(path: &Path, rows: u64) {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    database
        .execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, amount DECIMAL(10,2))")
        .await
        .unwrap();
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         INSERT INTO orders SELECT i, 'order ' || i, i % 1000 / 4.0 FROM n"
    );
    database.execute(sqlx::AssertSqlSafe(rows)).await.unwrap();
    database.close().await.unwrap();
}

/// A migration up to its proof, in seconds.
async fn run(folder: &Path, base: &Path, url: &str) -> f64 {
    let config = Config::parse(CONFIG, folder).unwrap();
    let mut options = ProductionOptions::new(config, base.join("runs"), "bench".to_owned(), Mode::Act);
    options.flow = FlowOptions::new(Mode::Act);
    options.flow.until = Some("verify".to_owned());
    let began = Instant::now();
    let environment = |name: &str| (name == "TARGET").then(|| url.to_owned());
    let outcome = golive::run(options, &environment, golive::nobody()).await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let verify = outcome.report.steps.iter().find(|step| step.id == "verify").unwrap();
    assert_eq!(verify.status.as_str(), "passed", "{:?}", verify.reason);
    seconds
}

#[derive(Default)]
struct Pages {
    /// Milliseconds of single requests.
    page: Vec<f64>,
    file: Vec<f64>,
}

/// A console with its watchers.
struct Console {
    watchers: Vec<JoinHandle<u64>>,
    server: JoinHandle<()>,
    client: Client,
    url: String,
    cookie: String,
    end: CancellationToken,
}

impl Console {
    async fn open(base: &Path) -> Self {
        let mut options = ServerOptions::new(base.to_owned());
        (options.limits.connections, options.limits.connections_of_address) = (1024, 1024);
        let server = bind(&options).await.unwrap();
        let (url, entry) = (server.url(), server.entry_url().unwrap().expose_secret().to_owned());
        let server = tokio::spawn(server.serve(std::future::pending()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let entered = client.get(entry).send().await.unwrap();
        let cookie =
            entered.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let (end, all_there) = (CancellationToken::new(), Arc::new(Barrier::new(WATCHERS + 1)));
        let watchers = (0..WATCHERS)
            .map(|_| {
                let (client, url, cookie) = (client.clone(), url.clone(), cookie.clone());
                tokio::spawn(watch(client, url, cookie, Arc::clone(&all_there), end.clone()))
            })
            .collect();
        // Their coming is no part of the run.
        all_there.wait().await;
        Self { watchers, server, client, url, cookie, end }
    }

    fn measures(&self) -> JoinHandle<Pages> {
        tokio::spawn(measure(self.client.clone(), self.url.clone(), self.cookie.clone(), self.end.clone()))
    }

    /// How many pages the watchers were sent.
    async fn close(self) -> u64 {
        self.end.cancel();
        let mut sent = 0;
        for watcher in self.watchers {
            sent += watcher.await.unwrap();
        }
        self.server.abort();
        sent
    }
}

/// As the script of a page does: asks for the page again when something has changed.
async fn watch(
    client: Client,
    url: String,
    cookie: String,
    all_there: Arc<Barrier>,
    end: CancellationToken,
) -> u64 {
    let get = |path: &str| client.get(format!("{url}{path}")).header(header::COOKIE, &cookie);
    let answer = get("/events").send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    all_there.wait().await;
    let (mut events, mut sent) = (answer.bytes_stream(), 0);
    loop {
        let event = tokio::select! {
            event = events.next() => event.unwrap().unwrap(),
            () = end.cancelled() => return sent,
        };
        if String::from_utf8_lossy(&event).contains("event: state") {
            let page = get("/migration").send().await.unwrap();
            page.bytes().await.unwrap();
            sent += 1;
            tokio::select! { () = tokio::time::sleep(REFRESH) => {}, () = end.cancelled() => return sent }
        }
    }
}

/// A page and a static file in turn, one request at a time.
async fn measure(client: Client, url: String, cookie: String, end: CancellationToken) -> Pages {
    let get = |path: &str| client.get(format!("{url}{path}")).header(header::COOKIE, &cookie).send();
    let page = get("/").await.unwrap().text().await.unwrap();
    let file = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".css")).unwrap();
    let mut pages = Pages::default();
    while !end.is_cancelled() {
        for (path, times) in [("/migration", &mut pages.page), (file, &mut pages.file)] {
            let began = Instant::now();
            get(path).await.unwrap().bytes().await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pages
}

/// Nothing of too few.
fn p95(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    (times.len() >= 100).then(|| times[times.len() * 95 / 100])
}
