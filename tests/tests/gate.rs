//! A gate that must fail does: for each of the thirteen criteria one thing is broken on purpose, and that criterion
//! fails, alone.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use golive_tests::{Document, Platform, Run};
use toml::{Table, Value};

/// One thing broken, and the criterion that must notice.
struct Case {
    criterion: u64,
    what: &'static str,
    /// Run again one after the other; the last one's report is judged.
    steps: &'static [&'static str],
    break_it: fn(&Platform, &Run),
    mend_it: fn(&Run),
}

fn nothing_more(_: &Run) {}

const CASES: [Case; 12] = [
    Case {
        criterion: 1,
        what: "a demo user is active again",
        steps: &["credentials"],
        break_it: |_, run| sql(run, "UPDATE golive.user SET is_active = 1 WHERE username = 'admin'"),
        mend_it: |run| sql(run, "UPDATE golive.user SET is_active = 0 WHERE username = 'admin'"),
    },
    Case {
        criterion: 2,
        what: "others can read the administrator's password",
        steps: &["production-admin"],
        break_it: |_, run| {
            let path = run.path("secrets/password-northwind_admin");
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        },
        mend_it: nothing_more,
    },
    Case {
        criterion: 3,
        what: "the secret key is a published example",
        steps: &["secret-key"],
        break_it: |_, run| {
            let key = "django-insecure-4x8q1z7w3e9r5t2y6u0i8o4p1a7s3d9f5g2h6j0k8l4z1x7c3v9b5n2m6";
            std::fs::write(run.path("secrets/secret_key"), key).unwrap();
        },
        mend_it: nothing_more,
    },
    Case {
        criterion: 5,
        what: "the application allows more than it is said to",
        steps: &["rate-limit"],
        break_it: |platform, run| {
            // What the limiter counted in the run before must not help it.
            std::fs::remove_dir_all(run.path("servers/redis/data")).unwrap();
            platform.set(&["rate_limit", "limit"], 4);
        },
        mend_it: nothing_more,
    },
    Case {
        criterion: 6,
        what: "the request that is to fail does not, so nothing is captured",
        steps: &["errors"],
        break_it: |platform, _| platform.set(&["errors", "request"], "authenticated"),
        mend_it: nothing_more,
    },
    Case {
        criterion: 7,
        what: "readiness is asked where there is none",
        steps: &["health"],
        break_it: |platform, _| {
            platform.set(&["http", "ready"], "/api/auth/me");
            platform.set(&["application", "start_timeout_seconds"], 5);
        },
        mend_it: nothing_more,
    },
    Case {
        criterion: 8,
        what: "backups are kept for a week",
        steps: &["backup"],
        break_it: |platform, _| platform.set(&["backup", "retention_days"], 7),
        mend_it: nothing_more,
    },
    Case {
        criterion: 9,
        what: "the proxy does not insist on TLS",
        steps: &["tls"],
        break_it: |platform, _| platform.set(&["tls", "hsts_seconds"], 0),
        mend_it: nothing_more,
    },
    Case {
        criterion: 10,
        what: "dashboards answer without the content that they must have",
        steps: &["load"],
        break_it: |platform, _| platform.edit(expect_another_dashboard),
        mend_it: nothing_more,
    },
    Case {
        criterion: 11,
        what: "the application does not stay alive without Redis",
        steps: &["redis-outage", "recovery"],
        break_it: |platform, _| platform.set(&["http", "live"], "/health/ready"),
        mend_it: nothing_more,
    },
    Case {
        criterion: 12,
        what: "a check of the application fails",
        steps: &["ci"],
        break_it: |platform, _| {
            platform.edit(|config| {
                let check = "name = \"broken\"\ncommand = [\"false\"]".parse::<Table>().unwrap();
                config["ci"].as_array_mut().unwrap().push(Value::Table(check));
            });
        },
        mend_it: nothing_more,
    },
    Case {
        criterion: 13,
        what: "production runs with DEBUG",
        steps: &["environment", "config"],
        break_it: |platform, _| platform.set(&["environment", "DEBUG"], "true"),
        mend_it: nothing_more,
    },
];

#[test]
fn heavy_each_criterion_fails_alone_when_what_it_guards_is_broken() {
    let platform = Platform::demo();
    let ended = platform.golive(&["rehearse", "--keep", "--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}{ended}", Document::of(&ended).trouble());
    let run = platform.rehearsal();
    let mut wrong = Vec::new();
    for case in CASES {
        let whole = Kept::take(&platform, &run);
        (case.break_it)(&platform, &run);
        if let Err(what) = noticed(&platform, &case) {
            wrong.push(format!("{} ({}): {what}", case.criterion, case.what));
        }
        whole.put_back();
        (case.mend_it)(&run);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // It was the damage that was noticed: with all of it mended, all is well.
    let ended = platform.golive(&["rehearse", "--resume", "--from", "credentials", "--format", "json"]);
    let report = Document::of(&ended);
    assert_eq!(ended.code, Some(0), "{}{ended}", report.trouble());
}

#[test]
fn heavy_one_cell_changed_in_mariadb_fails_the_migration_and_is_named() {
    let platform = Platform::demo();
    let killed = platform.golive(&["rehearse", "--keep", "--dangerous-abort-ended", "constraints"]);
    assert_eq!(killed.code, None, "{killed}");
    sql(
        &platform.rehearsal(),
        "UPDATE golive.user SET full_name = CONCAT(full_name, ' ') WHERE username = 'leader1'",
    );
    let ended = platform.golive(&["rehearse", "--resume", "--keep", "--format", "json"]);
    let report = Document::of(&ended);
    assert_eq!(ended.code, Some(10), "{}{ended}", report.trouble());
    assert_eq!(failed(&report), [4], "{}", report.trouble());
    assert_eq!(report.verdict(), "no_go");
    let verify = report.steps().iter().find(|step| step["id"] == "verify").unwrap();
    let reason = verify["reason"].as_str().unwrap();
    assert!(
        reason.contains("user") && reason.contains("full_name"),
        "table and column are not named: {reason}"
    );
    let switch = report.steps().iter().find(|step| step["id"] == "switch").unwrap();
    assert_ne!(switch["status"], "passed", "the switch must not follow");
    assert!(!platform.rehearsal().path("provider_state.json").exists(), "the switch must not follow");
}

/// Runs the steps again and says what is not as it must be.
fn noticed(platform: &Platform, case: &Case) -> Result<(), String> {
    let mut last = None;
    for step in case.steps {
        last = Some(platform.golive(&["rehearse", "--only", step, "--keep", "--format", "json"]));
    }
    let ended = last.unwrap();
    if ended.stdout.is_empty() {
        return Err(ended.to_string());
    }
    let report = Document::of(&ended);
    let failed = failed(&report);
    if ended.code == Some(10) && failed == [case.criterion] && report.verdict() == "no_go" {
        return Ok(());
    }
    Err(format!("exit {:?}, failed: {failed:?}\n{}{}", ended.code, report.trouble(), ended.stderr))
}

fn failed(report: &Document) -> Vec<u64> {
    report.criteria().into_iter().filter(|(_, status)| status == "fail").map(|(number, _)| number).collect()
}

fn sql(run: &Run, statement: &str) {
    let server = run.database();
    server.execute(statement).unwrap();
    server.stop().unwrap();
}

/// Dashboards are to hold something that they do not.
fn expect_another_dashboard(config: &mut Table) {
    let scenarios = config["load"]["scenarios"].as_array_mut().unwrap();
    let dashboards =
        scenarios.iter_mut().find(|one| one["run"]["kind"].as_str() == Some("dashboard")).unwrap();
    dashboards["run"]["expect"]["json_pointer_present"] = Value::from(vec!["/no_such_figure"]);
}

/// The run's evidence and secrets, and `golive.toml`, as they were before something was broken.
struct Kept {
    files: Vec<(PathBuf, Vec<u8>, u32)>,
}

impl Kept {
    fn take(platform: &Platform, run: &Run) -> Self {
        let mut paths = run.files("secrets");
        paths.extend(["journal.jsonl", "production.env", "recovery.md"].map(|name| run.path(name)));
        paths.push(platform.path("golive.toml"));
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            (path, bytes, mode)
        };
        Self { files: paths.into_iter().map(read).collect() }
    }

    fn put_back(self) {
        for (path, bytes, mode) in self.files {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
    }
}
