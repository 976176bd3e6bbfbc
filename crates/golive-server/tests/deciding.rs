//! Decisions about findings, by whoever sends forms of their own: only what is offered is tried, and only what was shown is written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_server::{Acts, OperatorsFile, Role};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use sqlx::{Connection, Executor};
use support::{Browser, Served, now, serve_folder};

const CONFIG: &str = "# the ledger's\n[application]\nname = \"Ledger\"\n[source]\nsqlite = \"app.db\"\n[target]\nurl = \"env:TARGET\"\n";
/// An order of nobody.
const SOURCE: &str = "PRAGMA foreign_keys = OFF;
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id));
    INSERT INTO customers VALUES (1, 'one'); INSERT INTO orders VALUES (1, 1), (2, 77);";
/// The field of the form that decides about it; `+` is a space there.
const FIELD: &str = "policy+MIG-FK-ORPHAN:orders.customer";

async fn with_a_finding() -> (Served, MariaDb, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", base.path().join("app.db").display());
    let mut source = sqlx::SqliteConnection::connect(&url).await.unwrap();
    source.execute(SOURCE).await.unwrap();
    source.close().await.unwrap();
    let mut options = MariaDbOptions::new();
    options.databases = vec!["ledger".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    let target = server.url("ledger");
    let file = base.path().join("golive.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let acts = Acts::of_file(&file, move |name| (name == "TARGET").then(|| target.clone())).unwrap();
    (serve_folder(base, |options| options.acts = Some(acts)).await, server, file)
}

/// The wizard's page once nothing goes on and it holds this.
async fn wizard(browser: &mut Browser, holds: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = browser.text("/migrate").await;
        if page.contains(holds) {
            return page;
        }
        assert!(Instant::now() < deadline, "it never holds {holds}: {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The number of what is proposed.
fn proposal(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"proposal\" value=\"").expect("a proposal");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn heavy_only_what_is_offered_is_tried_and_only_what_was_shown_is_written() {
    let (served, _server, file) = with_a_finding().await;
    let mut operator = Browser::entered(&served).await;
    let csrf = operator.csrf("/migrate").await;
    let choose = |field, word| [("csrf", csrf.as_str()), (field, word)];
    let choice = operator.post("/migrate/choose", &choose(FIELD, "quarantine")).await;
    assert_eq!(choice.status(), StatusCode::UNPROCESSABLE_ENTITY, "nothing was found yet");

    operator.post("/migrate/survey", &[("csrf", &csrf)]).await;
    let page = wizard(&mut operator, "name=\"policy MIG-FK-ORPHAN:orders.customer\"").await;
    let offered =
        page.split("name=\"policy MIG-FK-ORPHAN").nth(1).unwrap().split("</select>").next().unwrap();
    let values: Vec<&str> =
        offered.split("<option value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(values, ["", "quarantine", "accept", "stop"]);
    for (field, word) in [
        (FIELD, "convert:null"),   // a policy, and not one of these
        (FIELD, "ignore"),         // none
        (FIELD, "quarantine\"\n"), // what would be another line of the file
        ("policy+MIG-FK-ORPHAN:orders.id", "accept"),
        (FIELD, ""), // as it is
    ] {
        let refused = operator.post("/migrate/choose", &choose(field, word)).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{field} {word}");
    }

    let tried = operator.post("/migrate/choose", &choose(FIELD, "quarantine")).await;
    assert_eq!(tried.status(), StatusCode::SEE_OTHER);
    let shown = proposal(&wizard(&mut operator, "name=\"proposal\"").await);
    let write = |number| [("csrf", csrf.as_str()), ("proposal", number)];
    for other in ["0", "99", "", "x"] {
        let answer = operator.post("/migrate/write", &write(other)).await;
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{other:?} was not shown");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), CONFIG, "nothing was written yet");
    // Somebody writes it in the meantime.
    let theirs = format!("{CONFIG}# and theirs\n");
    std::fs::write(&file, &theirs).unwrap();
    operator.post("/migrate/write", &write(&shown)).await;
    wizard(&mut operator, "not the file any more").await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs, "what was not shown is not overwritten");

    operator.post("/migrate/survey", &[("csrf", &csrf)]).await;
    wizard(&mut operator, "name=\"policy MIG-FK-ORPHAN:orders.customer\"").await;
    operator.post("/migrate/choose", &choose(FIELD, "accept")).await;
    let again = proposal(&wizard(&mut operator, "name=\"proposal\"").await);
    assert_ne!(again, shown);
    assert_eq!(operator.post("/migrate/write", &write(&again)).await.status(), StatusCode::SEE_OTHER);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"MIG-FK-ORPHAN:orders.customer\" = \"accept\""), "{written}");
    assert!(written.contains("# the ledger's") && written.contains("# and theirs"), "{written}");
}

#[tokio::test]
async fn heavy_what_the_file_decides_otherwise_stays_chosen_and_who_may_only_look_decides_nothing() {
    let (served, _server, file) = with_a_finding().await;
    // It settles nothing, is not offered, and is there.
    let decided = format!("{CONFIG}[migrate.policy]\n\"MIG-FK-ORPHAN:orders.customer\" = \"convert:null\"\n");
    std::fs::write(&file, &decided).unwrap();
    let operators = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = operators.add("vera", Role::Viewer, now()).unwrap().password;
    let mut viewer = Browser::new(&served);
    viewer.log_in("vera", password.expose_secret()).await;
    let theirs = viewer.csrf("/").await;
    let mut operator = Browser::entered(&served).await;
    let deeds = ["survey", "choose", "write", "plan", "run", "resume", "switch", "end"];
    for path in deeds.map(|deed| format!("/migrate/{deed}")) {
        let fields = |csrf| [("csrf", csrf), (FIELD, "accept"), ("application", "Ledger"), ("proposal", "1")];
        assert_eq!(viewer.post(&path, &fields(&theirs)).await.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(operator.post(&path, &fields("x")).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let csrf = operator.csrf("/migrate").await;
    // Whatever form is sent: nothing is switched that was not compared.
    let named = [("csrf", csrf.as_str()), ("application", "Ledger")];
    assert_eq!(operator.post("/migrate/switch", &named).await.status(), StatusCode::CONFLICT);
    operator.post("/migrate/survey", &[("csrf", &csrf)]).await;
    let page = wizard(&mut operator, "name=\"policy MIG-FK-ORPHAN:orders.customer\"").await;
    assert!(page.contains("<option value=\"convert:null\" selected>"), "{page}");
    let same = [("csrf", csrf.as_str()), (FIELD, "convert:null")];
    let unchanged = operator.post("/migrate/choose", &same).await;
    assert_eq!(unchanged.status(), StatusCode::UNPROCESSABLE_ENTITY, "nothing else was chosen");
    // Taken back, the line goes.
    operator.post("/migrate/choose", &[("csrf", csrf.as_str()), (FIELD, "")]).await;
    let shown = proposal(&wizard(&mut operator, "name=\"proposal\"").await);
    operator.post("/migrate/write", &[("csrf", csrf.as_str()), ("proposal", &shown)]).await;
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains("convert:null") && written.starts_with(CONFIG), "{written}");
}
