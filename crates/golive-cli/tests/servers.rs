//! Commands around running servers: the sandbox, Redis, accounts, an endpoint that is not there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use golive_sandbox::{CertificateAuthority, MailSink, Nginx, NginxOptions, Sink, free_port};
use support::{golive, run, sqlite};

#[test]
fn the_sandbox_prints_urls_serves_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spawned =
        golive(folder.path()).args(["sandbox", "--no-install", "--quiet"]).stdout(Stdio::piped()).spawn();
    let mut child = Running(spawned.expect("the binary starts"));
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let database = lines.next().unwrap().unwrap();
    let redis = lines.next().unwrap().unwrap();
    let database = database.strip_prefix("DATABASE_URL=").unwrap();
    let redis = redis.strip_prefix("REDIS_URL=").unwrap();

    let here = folder.path();
    let checked = run(here, redis, &["cache", "check", "--url", "env:TARGET", "--format", "json"]);
    assert!(checked.json()["version"].is_string());
    let password = url::Url::parse(redis).unwrap().password().unwrap().to_owned();
    assert!(!checked.all().contains(&password));
    sqlite(&here.join("app.db"));
    let column = "ALTER TABLE users ADD COLUMN must_change_password BOOLEAN NOT NULL DEFAULT 0";
    support::while_open(&here.join("app.db"), column, || {});
    run(here, database, &["migrate", "run", "--source", "app.db", "--target", "env:TARGET"]).with(0);
    accounts(here, database);

    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().success());
    run(here, database, &["migrate", "verify", "--source", "app.db", "--target", "env:TARGET"]).with(12);
    run(here, redis, &["cache", "check", "--url", "env:TARGET"]).with(12);
}

/// The account `admin` keeps its demo password in clear; `rosa` has none that anybody knows.
fn accounts(here: &std::path::Path, database: &str) {
    run(here, "", &["init", "--source", "app.db", "--name", "ledger"]).with(0);
    let accounts = |arguments: &[&str]| {
        run(here, database, &[&["accounts"], arguments, &["--target", "env:TARGET"]].concat())
    };
    let found = accounts(&["scan"]).with(10);
    found.says(&["admin"]);
    assert!(!found.all().contains("admin123"));
    accounts(&["deactivate-demo"]).with(0).says(&["nothing was changed"]);
    accounts(&["deactivate-demo", "--yes"]).with(2).says(&["last active administrator"]);
    let create = ["create-admin", "--username", "r.meier", "--role", "admin", "--output", "password"];
    let made = accounts(&create).with(0);
    let password = std::fs::read_to_string(here.join("password")).unwrap();
    assert!(!made.all().contains(password.trim()));
    accounts(&["deactivate-demo", "--yes", "--record-as", "r.meier"]).with(0).says(&["switched off: admin"]);
    accounts(&["verify"]).with(0);
    let shown = ["create-admin", "--username", "s.meier", "--role", "admin", "--show"];
    accounts(&shown).with(2).says(&["no terminal"]);

    std::fs::write(here.join("team.csv"), "username,role\nana.silva,user\nr.meier,user\n").unwrap();
    let onboard = ["onboard", "--csv", "team.csv", "--output", "handover"];
    accounts(&onboard).with(10).says(&["line 3", "another role"]);
    std::fs::write(here.join("team.csv"), "username,role\nana.silva,user\n").unwrap();
    accounts(&onboard).with(0).says(&["would create ana.silva", "--yes"]);
    assert!(!here.join("handover").exists(), "a plan writes nothing");
    let made = accounts(&[&onboard[..], &["--yes", "--record-as", "r.meier"]].concat()).with(0);
    let password = std::fs::read_to_string(here.join("handover/ana.silva.password")).unwrap();
    assert!(password.trim().len() >= 16 && !made.all().contains(password.trim()));
    accounts(&[&onboard[..], &["--yes"]].concat()).with(0).says(&["there before: ana.silva"]);
    std::fs::write(here.join("seed.sql"), format!("INSERT INTO users VALUES ('x', '{}');", password.trim()))
        .unwrap();
    let leaked = accounts(&["scan", "--seed-file", "seed.sql"]).with(10);
    leaked.says(&["ana.silva (a password of a seed file)"]);
    assert!(!leaked.all().contains(password.trim()));

    accounts(&["audit", "verify", "--keep", "head.json"]).with(0).says(&["whole: 2 entries"]);
    accounts(&["audit", "verify", "--keep", "head.json"]).with(0);
    std::fs::write(here.join("head.json"), "{\"entries\":3,\"digest\":\"ab\"}").unwrap();
    accounts(&["audit", "verify", "--keep", "head.json"]).with(10).says(&["does not go on"]);
}

#[test]
fn what_is_rendered_is_graded_a_plus_and_untrusted_without_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let authority = CertificateAuthority::new("golive-cli tests").unwrap();
    let leaf = authority.issue(&["app.example.com"]).unwrap();
    std::fs::write(here.join("ca.pem"), authority.certificate_pem()).unwrap();
    std::fs::write(here.join("chain.pem"), &leaf.certificate_pem).unwrap();
    std::fs::write(here.join("key.pem"), leaf.expose_key_pem()).unwrap();
    let path = |name: &str| here.join(name).to_str().unwrap().to_owned();
    let (http, https) = (free_port().unwrap().to_string(), free_port().unwrap().to_string());
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let render =
        ["deploy", "render", "nginx", "--server-name", "app.example.com", "--upstream", "127.0.0.1:9"];
    let files = ["--certificate", &chain, "--key", &key];
    let ports = ["--http-port", &http, "--https-port", &https, "--listen", "127.0.0.1"];
    let site = run(here, "", &[&render[..], &files, &ports].concat()).with(0).stdout;
    let whole = format!("events {{}}\nhttp {{\n{{temporary_paths}}\naccess_log off;\n{site}\n}}\n");
    let _nginx = Nginx::start(&NginxOptions::new(whole)).unwrap();

    let check = ["tls", "check", "--certificate", "chain.pem", "--key", "key.pem", "--ca", "ca.pem"];
    let check = |name: &'static str| run(here, "", &[&check[..], &["--server-name", name]].concat());
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    check("app.example.com").with(10).says(&["DEP-407", "0640"]);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    check("app.example.com").with(0).says(&["days left", "app.example.com"]);
    run(here, "", &["tls", "check", "--certificate", "chain.pem"]).with(2).says(&["--server-name"]);
    check("www.example.com").with(10).says(&["DEP-403", "www.example.com"]);

    let endpoint = format!("127.0.0.1:{https}");
    let grade = [
        "tls",
        "grade",
        &endpoint,
        "--server-name",
        "app.example.com",
        "--http-port",
        &http,
        "--format",
        "json",
    ];
    let trusted = run(here, "", &[&grade[..], &["--ca", "ca.pem"]].concat()).with(0);
    assert_eq!(trusted.json()["grade"], "A+");
    let checked =
        run(here, "", &[&grade[..], &["--ca", "ca.pem", "--cross-check", "sslscan"]].concat()).with(0);
    assert_eq!(checked.json()["cross_check"]["differences"], serde_json::json!([]));
    assert!(checked.json()["cross_check"]["agreed"].as_u64() > Some(8), "{}", checked.all());
    let untrusted = run(here, "", &grade).with(10);
    assert_eq!(untrusted.json()["grade"], "T");
}

#[test]
fn load_is_sent_as_the_bearer_of_a_token_that_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sink = Sink::start().unwrap();
    std::fs::write(here.join("golive.toml"), LOAD).unwrap();
    let base = sink.url();
    let arguments =
        ["load", "run", "--base-url", &base, "--seconds", "1", "--token", "env:TARGET", "--format", "json"];
    let ended = run(here, "planted-bearer-token", &arguments);
    assert!(!ended.all().contains("planted-bearer-token"));
    assert_eq!(ended.json()["scenarios"][0]["requests"], 5, "{}", ended.all());
    let received = sink.wait_for(5, Duration::from_secs(5));
    assert_eq!(received[0].headers["authorization"], "Bearer planted-bearer-token");
    assert!(received[0].path.ends_with("/list?of=T-1"), "{}", received[0].path);
    let public = ["load", "run", "--base-url", "http://192.0.2.1/"];
    run(here, "", &public).with(2).says(&["192.0.2.1", "not this machine"]);
}

const LOAD: &str = r#"
[application]
name = "ledger"
[tenant]
id = "T-1"
name = "The client"
[load]
scenarios = [{ role = "anybody", run = { name = "list", iterations = 5, request = { path = "/list?of={tenant_id}" } } }]
"#;

#[test]
fn a_test_error_and_a_test_alert_tell_whether_they_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sink = golive_sandbox::Sink::start().unwrap();
    let dsn = format!("http://plantedkey0123456789abcdef012345@127.0.0.1:{}/7", sink.port());
    let error = ["observe", "send-test-error", "--dsn", "env:TARGET", "--format", "json"];
    let sent = run(here, &dsn, &error).with(0);
    assert!(!sent.all().contains("plantedkey"));
    let received = sink.wait_for(1, Duration::from_secs(5));
    let event = golive_observe::Envelope::parse(&received[0].body).unwrap().events.remove(0);
    assert_eq!(event.document["event_id"], sent.json()["event_id"]);
    assert_eq!(event.environment.as_deref(), Some("production"));

    let alert = |address: &str| {
        let arguments = ["observe", "test-alert", "--slack", "env:TARGET", "--format", "json"];
        let ended = run(here, address, &arguments);
        assert!(!ended.all().contains("planted"));
        ended
    };
    assert_eq!(alert(&format!("{}/planted", sink.url())).with(0).json()["fine"], true);
    assert!(
        String::from_utf8_lossy(&sink.wait_for(2, Duration::from_secs(5))[1].body).contains("a test alert")
    );
    assert_eq!(alert("http://127.0.0.1:9/planted").with(10).json()["channels"][0]["is_delivered"], false);
    alert("planted").with(2);
    run(here, "", &["observe", "test-alert"]).with(2).says(&["--slack"]);
    run(here, "", &["observe", "test-alert", "--slack", "http://h/planted"]).with(2).says(&["env:NAME"]);
    run(here, "http://planted@127.0.0.1:9/7", &error).with(12);
    run(here, "planted", &error).with(2);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the command that is tested looks at the real clock")]
fn a_certificate_that_wants_to_be_renewed_is_told_through_the_alerts_of_golive_toml() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sink = Sink::start().unwrap();
    let authority = CertificateAuthority::new("test").unwrap();
    std::fs::write(here.join("ca.pem"), authority.certificate_pem()).unwrap();
    let day = Duration::from_secs(86_400);
    let now = std::time::SystemTime::now();
    let issue = |days_left: u32| {
        let leaf =
            authority.issue_between(&["app.example.com"], now - 60 * day, now + days_left * day).unwrap();
        std::fs::write(here.join("chain.pem"), &leaf.certificate_pem).unwrap();
    };
    let describe = |alerts: &str| {
        let text = format!("[application]\nname = \"shop\"\n{alerts}");
        std::fs::write(here.join("golive.toml"), text).unwrap();
    };
    let check = |address: &str, more: &[&str]| {
        let named = ["--server-name", "app.example.com", "--certificate", "chain.pem", "--ca", "ca.pem"];
        run(here, address, &[&["tls", "check", "--format", "json"][..], &named, more].concat())
    };
    let webhook = format!("{}/planted", sink.url());

    issue(20);
    describe("");
    check("", &["--alert"]).with(2).says(&["[alerts]"]);
    describe("[alerts]\nwebhook = \"env:TARGET\"\nenvironment = \"staging\"\n");
    check("", &["--alert"]).with(2).says(&["TARGET"]);
    // Nobody is told who did not ask for it.
    check(&webhook, &[]).with(0);
    assert_eq!(sink.received().len(), 0);

    let told = check(&webhook, &["--alert"]).with(0);
    assert_eq!(told.json()["alerted"][0]["is_delivered"], true);
    assert!(!told.all().contains("planted"));
    let alert = |count: usize| {
        let received = sink.wait_for(count, Duration::from_secs(5));
        serde_json::from_slice::<serde_json::Value>(&received[count - 1].body).unwrap()
    };
    let first = alert(1);
    assert_eq!((&first["key"], &first["service"]), (&"certificate".into(), &"shop".into()));
    let text = first["text"].as_str().unwrap();
    assert!(text.starts_with("[staging] shop:") && text.contains("DEP-402"), "{text}");
    assert!(text.contains("app.example.com"), "{text}");

    // One that could not be looked at is told too; one that is fine is not.
    std::fs::remove_file(here.join("chain.pem")).unwrap();
    check(&webhook, &["--alert"]).with(12);
    assert!(alert(2)["text"].as_str().unwrap().contains("could not be checked"));
    issue(90);
    assert!(check(&webhook, &["--alert"]).with(0).json().get("alerted").is_none());
    assert_eq!(sink.received().len(), 2);

    // An alert that nobody took is a failure, after what was found.
    issue(20);
    check("http://127.0.0.1:9/planted", &["--alert"]).with(12).says(&["webhook", "DEP-402"]);
    let tested = run(here, &webhook, &["observe", "test-alert", "--format", "json"]).with(0);
    assert_eq!(tested.json()["channels"][0]["channel"], "webhook");
}

#[test]
fn slack_and_mail_of_golive_toml_get_the_alert_too() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sink = Sink::start().unwrap();
    let authority = CertificateAuthority::new("test").unwrap();
    let mail = MailSink::start(Some(&authority.issue(&["localhost"]).unwrap())).unwrap();
    std::fs::write(here.join("ca.pem"), authority.certificate_pem()).unwrap();
    std::fs::write(here.join("chain.pem"), "no certificate").unwrap();
    std::fs::write(here.join("mail"), format!("smtps://ops:planted@localhost:{}", mail.port())).unwrap();
    let text = "[application]\nname = \"shop\"\n[alerts]\nslack = \"env:TARGET\"\n[alerts.mail]\n\
                server = \"file:mail\"\nfrom = \"golive <ops@shop.example>\"\nto = [\"ann@shop.example\"]\n\
                authority = \"ca.pem\"\n";
    std::fs::write(here.join("golive.toml"), text).unwrap();
    let slack = format!("{}/planted", sink.url());
    let check = ["tls", "check", "--server-name", "shop.example", "--certificate", "chain.pem", "--alert"];

    let told = run(here, &slack, &check).with(2);
    assert!(!told.all().contains("planted"), "{}", told.all());
    let posted = sink.wait_for(1, Duration::from_secs(5));
    let posted: serde_json::Value = serde_json::from_slice(&posted[0].body).unwrap();
    assert!(posted["text"].as_str().unwrap().contains("could not be checked"), "{posted}");
    let lines = mail.told();
    for line in ["MAIL FROM:<ops@shop.example>", "RCPT TO:<ann@shop.example>", "To: ann@shop.example"] {
        assert!(lines.iter().any(|told| told.starts_with(line)), "{line}: {lines:#?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("Subject: ALERT [production] shop: ")), "{lines:#?}");

    // The one of two that did not take it is named beside what went wrong, and the other has it.
    std::fs::write(here.join("mail"), "smtps://ops:planted@localhost:9").unwrap();
    let told = run(here, &slack, &check).with(2);
    told.says(&["send the alert \"certificate\": mail", "read the certificate"]);
    assert!(!told.all().contains("planted"), "{}", told.all());
    assert_eq!(sink.wait_for(2, Duration::from_secs(5)).len(), 2);
}

#[test]
fn an_endpoint_that_is_not_there_is_out_of_reach() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run(here, "", &["tls", "grade", "127.0.0.1:9"]).with(12);
    run(here, "", &["tls", "grade", "https://127.0.0.1/"]).with(2);
    run(here, "", &["observe", "check", "--url", "http://127.0.0.1:9"]).with(12).says(&["running there"]);
    run(here, "", &["status"]).with(12);
    run(here, "", &["doctor", "--format", "json"]).with(0);
}

/// A program that ends with the test, also when that fails.
struct Running(Child);

impl Running {
    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the sandbox ends when told to");
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
