//! The demo platform at the scale of the go-live: what a missing index costs its users, and the way back.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use golive_sandbox::{MariaDb, MariaDbOptions, Process, ProcessSpec, free_port};
use golive_tests::{Document, Platform, program, seconds, wait_until};
use serde_json::Value;

/// 400,000 entries; seeded in a minute or two.
const SCALE: &str = "20";
const INDEX: &str = "ix_production_entry_dashboard";
const TABLES: [&str; 5] = ["production_entry", "job", "work_order", "product", "client"];

/// The platform as it serves; ended with the value.
struct Serving {
    process: Process,
    url: String,
    management: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.terminate(seconds(10));
    }
}

fn environment(server: &MariaDb, bind: &str, management: &str) -> Vec<(&'static str, String)> {
    vec![
        ("APP_ENV", "demo".to_owned()),
        ("BIND", bind.to_owned()),
        ("MANAGEMENT_BIND", management.to_owned()),
        ("DATABASE_URL", server.url("app")),
        ("DATABASE_POOL_SIZE", "6".to_owned()),
        ("SECRET_KEY", "demo-secret-key-change-me".to_owned()),
    ]
}

fn demo(server: &MariaDb, arguments: &[&str], bind: &str, management: &str) -> ProcessSpec {
    ProcessSpec::new(program("golive-demo"))
        .arguments(arguments)
        .empty_environment()
        .environment(environment(server, bind, management))
}

/// The tables of the demonstration, and the statistics that a migration would have left.
fn seeded() -> (MariaDb, [String; 2]) {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".into(), "copy".into()];
    options.settings =
        ["--innodb-buffer-pool-size=256M", "--innodb-flush-log-at-trx-commit=0"].map(str::to_owned).to_vec();
    let server = MariaDb::start(&options).unwrap();
    let days = "SELECT UTC_DATE() - INTERVAL 30 DAY; SELECT UTC_DATE()";
    let days = server.execute(days).unwrap();
    let days: Vec<&str> = days.split_whitespace().collect();
    let [from, today] = days[..] else { panic!("two days: {days:?}") };
    let seed = demo(&server, &["seed", "--scale", SCALE, "--as-of", today], "127.0.0.1:0", "127.0.0.1:0");
    let ended = golive_sandbox::run_to_end(seed, seconds(400)).unwrap();
    assert!(ended.status.success(), "{}", ended.errors);
    server.execute(&format!("USE app; ANALYZE TABLE {}", TABLES.join(", "))).unwrap();
    (server, [from, today].map(str::to_owned))
}

/// Started anew each time: only new sessions are recorded.
fn serve(platform: &Platform, server: &MariaDb) -> Serving {
    let [bind, management] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port().unwrap()));
    let log = platform.path("serve.txt");
    let process = Process::start(demo(server, &["serve"], &bind, &management).output(&log)).unwrap();
    let (address, dead) = (management.parse().unwrap(), || std::fs::read_to_string(&log).unwrap_or_default());
    wait_until("the platform to serve", seconds(60), || {
        assert!(process.is_running(), "{}", dead());
        std::net::TcpStream::connect_timeout(&address, seconds(1)).ok()
    });
    Serving { process, url: format!("http://{bind}"), management: format!("http://{management}") }
}

/// Two supervisors who look at the dashboard of their own tenant, sixty times together.
fn described(platform: &Platform, management: &str, [from, to]: &[String; 2]) {
    let text = format!(
        r#"
[application]
name = "Production tracking"

[http]
management_url = "{management}"
metrics = "/metrics"

[load]
seconds = 120
watch_metrics = ["db_pool_size", "db_pool_idle", "db_pool_waiting"]

[[load.scenarios]]
[load.scenarios.run]
name = "dashboards"
kind = "dashboard"
users = 2
iterations = 60
request = {{ path = "/api/kpi/dashboard?client_id={{client}}&from={from}&to={to}" }}
expect = {{ json_pointer_present = ["/oee", "/trend"], json = [{{ pointer = "/entries", test = {{ at_least = 1000 }} }}] }}

[[load.scenarios.run.data]]
csv = """
username,client
supervisor1,ACME-MFG
supervisor2,TEXTILE-PRO
"""
order = "per_user"

[load.scenarios.run.sign_in]
request = {{ method = "POST", path = "/api/auth/login", body = {{ json = {{ username = "{{username}}", password = "password123" }} }} }}
token = {{ json = "/access_token" }}
"#
    );
    std::fs::write(platform.path("golive.toml"), text).unwrap();
}

/// What a load on a platform that starts now measured.
fn load(platform: &Platform, server: &MariaDb, days: &[String; 2]) -> Value {
    let serving = serve(platform, server);
    described(platform, &serving.management, days);
    let arguments =
        ["load", "run", "--base-url", &serving.url, "--watch-database", "env:TARGET", "--format", "json"];
    let ended = platform.golive(&arguments);
    let report = Document::of(&ended).value;
    assert_eq!((&report["kinds"][0]["requests"], &report["errors"]), (&60.into(), &0.into()), "{ended}");
    assert_eq!(report["content_failures"], 0, "{ended}");
    report
}

fn p95(report: &Value) -> f64 {
    report["kinds"][0]["latency"]["p95_ms"].as_f64().unwrap()
}

/// The platform's own pool and the server's connections were seen, and agree.
fn pool_was_watched(report: &Value) {
    let of = |name: &str| {
        let all = report["watched"].as_array().unwrap();
        all.iter().find(|watched| watched["name"] == name).unwrap_or_else(|| panic!("no {name}: {all:?}"))
    };
    let most = |name: &str| of(name)["max"].as_f64().unwrap();
    assert!((1.0..=6.0).contains(&most("db_pool_size")), "{report}");
    assert!(most("database.threads_connected") >= most("db_pool_size"), "and the one that looks: {report}");
    assert_eq!(most("db_pool_waiting"), 0.0, "two users do not exhaust six connections: {report}");
}

/// Tries indexes on a copy of the tables; gives the statements that make those that paid.
fn proven(platform: &Platform, server: &MariaDb) -> Vec<String> {
    for table in TABLES {
        let copy = format!(
            "CREATE TABLE copy.{table} LIKE app.{table}; INSERT INTO copy.{table} SELECT * FROM app.{table}"
        );
        server.execute(&copy).unwrap();
    }
    server.execute(&format!("USE copy; ANALYZE TABLE {}", TABLES.join(", "))).unwrap();
    let prove = [
        "db",
        "prove",
        "--target",
        "env:TARGET",
        "--copy",
        "env:COPY",
        "--dangerous-disposable-copy",
        "copy",
    ];
    let ended = platform.golive(&[&prove[..], &["--format", "json"]].concat());
    assert_eq!(ended.code, Some(10), "{ended}");
    let tried = Document::of(&ended).value["tried"].as_array().unwrap().clone();
    let paid = tried.iter().filter(|index| index["verdict"] == "paid");
    paid.map(|index| index["create"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn heavy_a_dropped_index_at_scale_20_is_found_advised_proven_and_the_p95_restored() {
    let mut platform = Platform::empty();
    let (server, days) = seeded();
    platform.variable("TARGET", &server.url("app"));
    platform.variable("COPY", &server.url("copy"));
    let good = load(&platform, &server, &days);
    pool_was_watched(&good);

    server
        .execute(&format!("DROP INDEX {INDEX} ON app.production_entry; ANALYZE TABLE app.production_entry"))
        .unwrap();
    let record = "SET GLOBAL log_output='TABLE', GLOBAL long_query_time=0, GLOBAL slow_query_log=ON";
    server.execute(record).unwrap();
    let bad = load(&platform, &server, &days);
    server.execute("SET GLOBAL slow_query_log=OFF, GLOBAL long_query_time=10").unwrap();
    assert!(p95(&bad) > 3.0 * p95(&good), "it must be felt: {} ms, then {} ms", p95(&good), p95(&bad));

    let review = platform.golive(&["db", "review", "--target", "env:TARGET"]).expect_code(0);
    assert!(
        review.stdout.contains("advised indexes") && review.stdout.contains("production_entry"),
        "{review}"
    );
    let paid = proven(&platform, &server);
    assert!(
        paid.iter().any(|create| create.contains("production_entry") && create.contains("entry_date")),
        "{paid:?}"
    );
    for create in paid {
        server.execute(&format!("USE app; {create}")).unwrap();
    }
    server.execute("ANALYZE TABLE app.production_entry").unwrap();
    let (restored, good, bad) = (p95(&load(&platform, &server, &days)), p95(&good), p95(&bad));
    // As many times better than it was bad as it is worse than it was good, at least.
    assert!(restored < (good * bad).sqrt(), "{good} ms, {bad} ms, and {restored} ms again");
}
