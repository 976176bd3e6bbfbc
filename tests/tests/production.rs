//! A run against an operator's own servers: a target of several hosts, and where the run stands while it is cut off.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_tests::{Document, Platform, Run, sqlite};
use serde_json::Value;

/// A database of somebody's, no application, and an address whose first host is away.
fn with_two_hosts() -> (Platform, MariaDb, String) {
    let mut platform = Platform::empty();
    let description =
        "[application]\nname = \"ledger\"\n[source]\nsqlite = \"app.db\"\n[target]\nurl = \"env:TARGET\"\n";
    std::fs::write(platform.path("golive.toml"), description).unwrap();
    sqlite(&platform.path("app.db"), LEDGER);
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    let url = server.url("app");
    let (login, host) = url.rsplit_once('@').unwrap();
    // Port 1 answers to nobody.
    let several = format!("{login}@127.0.0.1:1,{host}");
    platform.variable("TARGET", &several);
    platform.variable("USER", "ann");
    (platform, server, host.to_owned())
}

#[test]
fn heavy_plan_run_and_gate_take_an_address_of_several_hosts() {
    let (platform, server, host) = with_two_hosts();
    let planned = platform.golive(&["plan", "--format", "json"]).expect_code(0);
    let copy = steps(&planned).into_iter().find(|step| step["id"] == "copy").unwrap();
    assert_eq!(copy["plan"][0], "account: 3 rows", "{planned}");

    let ran = platform.golive(&["run", "--yes", "--format", "json"]);
    assert!(ran.stderr.contains(&format!("{host} is the first of 2 nodes that answered")), "{ran}");
    for id in ["survey", "schema", "copy", "constraints", "verify", "switch"] {
        let step = steps(&ran).into_iter().find(|step| step["id"] == id).unwrap();
        assert_eq!(step["status"], "passed", "{step}");
    }
    let run = Run::newest(&platform.runs().join("runs"));
    let state: Value = serde_json::from_str(&run.text("provider_state.json")).unwrap();
    assert_eq!(state["target"], host, "{state}");
    assert_eq!(state["switched_by"], "ann", "{state}");
    assert_eq!(server.execute("SELECT COUNT(*) FROM app.account").unwrap().trim(), "3");

    let judged = platform.golive(&["gate", "--format", "json"]);
    assert_eq!(Document::of(&judged).criteria()[&4], "pass", "{judged}");
    let resumed = platform.golive(&["run", "--yes", "--resume", "--format", "json"]);
    assert_eq!(Document::of(&resumed).criteria()[&4], "pass", "{resumed}");
}

#[test]
fn heavy_status_tells_of_a_run_that_was_cut_off_how_far_it_came_and_how_to_go_on() {
    let (platform, _server, _) = with_two_hosts();
    let none = platform.golive(&["status"]).expect_code(12);
    assert!(none.stderr.contains("no run yet"), "{none}");
    let killed = platform.golive(&["run", "--yes", "--dangerous-abort-applied", "copy"]);
    assert_eq!(killed.code, None, "{killed}");
    let told = platform.golive(&["status"]).expect_code(10);
    for words in
        ["was cut off", "✓ survey", "✓ schema", "▸ copy", "waiting: ", "verify", "next: golive run --resume"]
    {
        assert!(told.stdout.contains(words), "`{words}` is missing: {}", told.stdout);
    }
    let document: Value =
        serde_json::from_str(&platform.golive(&["status", "--format", "json"]).stdout).unwrap();
    assert_eq!(
        (&document["state"], &document["schema_version"]),
        (&"cut_off".into(), &1.into()),
        "{document}"
    );
    let steps = document["steps"].as_array().unwrap();
    let copy = steps.iter().find(|step| step["id"] == "copy").unwrap();
    assert!(copy["under_way_since"].is_string() && copy["ended"].is_null(), "{copy}");

    let resumed = platform.golive(&["run", "--yes", "--resume", "--format", "json"]);
    let ended = platform.golive(&["status"]);
    assert_eq!(ended.code, resumed.code, "{ended}");
    assert!(ended.stdout.contains("criteria: "), "{ended}");
}

#[test]
fn heavy_what_is_waived_or_ignored_reaches_the_gate_from_the_steps_that_find_it() {
    let (platform, _server, _) = with_two_hosts();
    let waived = |rule: &str| {
        format!(
            "[[deploy.waivers]]\nrule = \"{rule}\"\nowner = \"r.ortiz\"\nreason = \"until Monday\"\nexpires = \"{EXPIRES}\"\n"
        )
    };
    let describe = |rules: &[&str]| {
        let waivers: String = rules.iter().map(|rule| waived(rule)).collect();
        let text = format!(
            "[application]\nname = \"ledger\"\n[source]\nsqlite = \"app.db\"\n[target]\nurl = \"env:TARGET\"\n[environment]\n\
             DEBUG = \"true\"\n[deploy]\ndockerfiles = [\"Dockerfile\"]\n{waivers}"
        );
        std::fs::write(platform.path("golive.toml"), text).unwrap();
    };
    let dockerfile = "# golive: ignore DEP-104 -- one image for all\nFROM debian:latest\nCMD [\"/app\"]\n";
    std::fs::write(platform.path("Dockerfile"), dockerfile).unwrap();
    let configuration = ["CFG-001", "CFG-010", "CFG-011", "CFG-020", "CFG-030", "CFG-040", "CFG-050"];
    describe(&[&configuration[..], &["DEP-102"]].concat());
    let of = |ended: &golive_tests::Ended, id: &str| {
        let step = steps(ended).into_iter().find(|step| step["id"] == id).unwrap();
        assert_eq!(step["status"], "passed", "{step}");
        move |fact: &str| {
            let facts = step["proof"].as_array().unwrap();
            facts.iter().find(|one| one["key"] == fact).unwrap_or_else(|| panic!("{fact}: {step}"))["value"]
                .clone()
        }
    };

    let config = of(&platform.golive(&["run", "--yes", "--until", "config", "--format", "json"]), "config");
    let listed: Vec<Value> = config("config.waived").as_array().unwrap().clone();
    let rules: Vec<_> = listed.iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(rules.iter().filter(|rule| configuration.contains(rule)).count(), 7, "{rules:?}");
    assert!(listed.iter().all(|one| one["owner"] == "r.ortiz" && one["expires"] == EXPIRES), "{listed:?}");

    let only = ["run", "--yes", "--resume", "--only", "containers", "--format", "json"];
    let containers = of(&platform.golive(&only), "containers");
    assert_eq!(containers("deploy.waived")[0]["rule"], "DEP-102");
    let aside = containers("deploy.set_aside")[0].as_str().unwrap().to_owned();
    assert!(aside.contains("Dockerfile:2: DEP-104") && aside.contains("one image for all"), "{aside}");

    let judged = platform.golive(&["gate", "--format", "json"]);
    let report = Document::of(&judged);
    assert_eq!(report.criteria()[&13], "waived", "{judged}");
    assert!(
        judged.stdout.contains("DEP-104") && judged.stdout.contains("CFG-010 is waived by r.ortiz"),
        "{judged}"
    );
}

const EXPIRES: &str = "2099-12-31";

fn steps(ended: &golive_tests::Ended) -> Vec<Value> {
    Document::of(ended).steps().to_vec()
}

const LEDGER: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO account VALUES (1, 'cash'), (2, 'bank'), (3, 'debt');";
