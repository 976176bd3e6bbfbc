//! `golive` in a terminal and in a pipe, its errors, its exit codes, its manual and completions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{golive, run, sqlite};

/// What a terminal shows of this command: util-linux's `script` makes a pseudo terminal, as it does everywhere.
#[expect(clippy::disallowed_methods, reason = "a terminal around the binary")]
fn in_terminal(here: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let line = format!("{} {}", env!("CARGO_BIN_EXE_golive"), arguments.join(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(here);
    script.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    script.stdin(Stdio::null()).output().expect("script is part of util-linux")
}

fn a_report(here: &Path) {
    let base = here.join(".golive/runs");
    let directory = golive::RunDirectory::create(&base, "20260504T120000.000Z").unwrap();
    let at = chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    let report = golive_gate::judge(&[], &[], &golive_gate::Policy::default(), at);
    std::fs::write(directory.path("report.json"), golive_gate::to_json(&report)).unwrap();
}

#[test]
fn a_terminal_gets_colors_unless_it_wants_none_and_a_pipe_gets_no_control_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    a_report(here);
    let shown = in_terminal(here, &[], &["report"]);
    assert_eq!(shown.status.code(), Some(10));
    let colored = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(colored.contains("\u{1b}[") && colored.contains("next: "), "{colored}");
    for plain in [
        in_terminal(here, &[("NO_COLOR", "1")], &["report"]),
        in_terminal(here, &[], &["report", "--no-color"]),
        in_terminal(here, &[("TERM", "dumb")], &["report"]),
    ] {
        assert_eq!(plain.status.code(), Some(10));
        assert!(!plain.stdout.contains(&0x1b), "{}", String::from_utf8_lossy(&plain.stdout));
    }
    // What moves goes away again: the last line stands alone.
    let surveyed = in_terminal(here, &[], &["migrate", "survey", "--source", "app.db"]);
    let surveyed = String::from_utf8_lossy(&surveyed.stdout).into_owned();
    assert!(surveyed.trim_end().lines().last().unwrap().contains("next: "), "{surveyed}");
    for arguments in [
        &["report"][..],
        &["status"],
        &["explain"],
        &["--help"],
        &["migrate", "survey", "--source", "app.db"],
    ] {
        let piped = golive(here).args(arguments).output().unwrap();
        let all = [piped.stdout, piped.stderr].concat();
        let control = |byte: &u8| *byte < 0x20 && *byte != b'\n';
        assert!(!all.iter().any(control), "{arguments:?}: {}", String::from_utf8_lossy(&all));
    }
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        golive(folder.path()).arg("explain").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_last_line_says_what_to_do_next_unless_a_program_reads() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let made = run(here, "", &["init", "--source", "app.db"]).with(0);
    assert!(made.stderr.trim_end().lines().last().unwrap().starts_with("next: look through golive.toml"));
    let quiet = run(here, "", &["migrate", "survey", "--quiet"]);
    let json = run(here, "", &["migrate", "survey", "--format", "json"]);
    assert!(!quiet.all().contains("next: ") && json.stderr.is_empty());
}

#[test]
fn each_exit_code_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run(here, "", &["explain"]).with(0);
    run(here, "", &["explain", "nonsense"]).with(2);
    std::fs::write(here.join("Dockerfile"), "FROM debian:latest\nUSER root\n").unwrap();
    run(here, "", &["deploy", "audit", "Dockerfile"]).with(10);
    std::fs::write(here.join("Dockerfile"), WITH_A_WARNING).unwrap();
    run(here, "", &["deploy", "audit", "Dockerfile"]).with(0);
    run(here, "", &["deploy", "audit", "Dockerfile", "--deny-warnings"])
        .with(11)
        .says(&["next: mend the warnings"]);
    run(here, "", &["deploy", "audit", "absent.conf"]).with(12);
    a_report(here);
    let lock = std::fs::File::create(here.join(".golive/runs/lock")).unwrap();
    lock.lock().unwrap();
    run(here, "", &["status"]).with(75).says(&["golive serve"]);
    let bug = run(here, "", &["--dangerous-panic", "explain"]).with(1);
    bug.says(&["golive has a bug", "report it"]);
    // No file can be opened any more: that is the machine's, not a bug.
    let starved = format!("ulimit -n 4; exec {} explain", env!("CARGO_BIN_EXE_golive"));
    assert_eq!(shell(here, &starved).code(), Some(12));
}

#[expect(clippy::disallowed_methods, reason = "a shell sets the limits of what it starts")]
fn shell(here: &Path, line: &str) -> std::process::ExitStatus {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(here).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().unwrap()
}

const WITH_A_WARNING: &str = "FROM debian:12.5-slim@sha256:0000000000000000000000000000000000000000000000000000000000000000\nUSER 1000\nCMD [\"app\"]\n";

#[test]
fn an_error_says_where_why_and_what_next() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("golive.toml"), "[application]\nname = \"x\"\n\n[acounts]\ntable = \"user\"\n")
        .unwrap();
    let ended = run(here, "", &["doctor"]).with(2);
    ended.says(&[
        "golive failed to parse golive.toml",
        "--> golive.toml:4:2",
        "unknown field `acounts`",
        "did you mean `accounts`?",
    ]);
    std::fs::write(here.join("golive.toml"), "[application]\nname = \"x\"\n[target]\ninstances = \"two\"\n")
        .unwrap();
    run(here, "", &["doctor"]).with(2).says(&["--> golive.toml:4:13", "invalid type"]);
    std::fs::write(here.join("golive.toml"), "[application]\nname = \"x\n").unwrap();
    run(here, "", &["doctor"]).with(2).says(&["--> golive.toml:2:"]);
    let chain = run(here, "", &["doctor", "--verbose"]).with(2);
    chain.says(&["  chain:", "    1. parse", "    2. TOML parse error"]);
    run(here, "", &["reprot"]).with(2).says(&["similar", "report"]);
}

#[test]
fn shells_and_manual_readers_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef golive"),
        ("fish", "complete -c golive"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = run(here, "", &["completions", shell]).with(0);
        script.says(&[mark, "deny-warnings", "bundle"]);
        // bash's script knows how such a word would go on, and does not offer it.
        let mut offers = script.stdout.lines().filter(|line| shell != "bash" || line.contains("opts="));
        assert!(
            offers.all(|line| !line.contains("--dangerous-panic") && !line.contains("--dangerous-abort")),
            "{shell} is told nothing of what is only for tests"
        );
        std::fs::write(here.join(format!("golive.{shell}")), &script.stdout).unwrap();
    }
    let completes = "source golive.bash; COMP_WORDS=(golive mig); COMP_CWORD=1; _golive golive mig golive; [ \"${COMPREPLY[*]}\" = migrate ]";
    std::fs::write(here.join("completes.sh"), completes).unwrap();
    assert!(shell(here, "bash completes.sh").success(), "bash completes `golive mig`");
    run(here, "", &["completions", "tcsh"]).with(2);

    let page = run(here, "", &["man"]).with(0);
    page.says(&[".TH GOLIVE", "Exit codes:"]);
    run(here, "", &["man", "man1"]).with(0).says(&["pages stand in man1"]);
    let pages = std::fs::read_dir(here.join("man1")).unwrap().count();
    assert!(pages > 60, "{pages}");
    let page = std::fs::read_to_string(here.join("man1/golive-migrate-run.1")).unwrap();
    assert!(page.contains("golive migrate run") || page.contains("golive\\-migrate\\-run"), "{page}");
    std::fs::set_permissions(here.join("man1"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(here.join("file"), "").unwrap();
    run(here, "", &["man", "file"]).with(12).says(&["write file"]);
}
