//! Evidence as one signed file: made, held against its signer, and whatever is done to it named; by openssl and tar as well.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::run;

/// A run that came to its report.
fn a_run(here: &Path) {
    let base = here.join(".golive/runs");
    let directory = golive::RunDirectory::create(&base, "20260504T120000.000Z").unwrap();
    let at = chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    let journal = golive::Journal::open(&directory.path("journal.jsonl")).unwrap();
    journal.append(golive::Entry::Started { at, step: "copy".to_owned() }).unwrap();
    let report = golive_gate::judge(&[], &[], &golive_gate::Policy::default(), at);
    std::fs::write(directory.path("report.json"), golive_gate::to_json(&report)).unwrap();
    std::fs::write(directory.path("report.html"), golive_gate::to_html(&report)).unwrap();
    directory.keep_secret("key", &"planted-s3cret".to_owned().into()).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "tools that an auditor has, started where a bundle was taken apart"
)]
fn tool(folder: &Path, program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    output.expect("openssl and tar are part of every system that this runs on").status.success()
}

#[test]
fn evidence_is_bundled_and_verified_and_whatever_was_done_to_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    a_run(here);
    run(here, "", &["report", "verify", "absent.tar"]).with(12).says(&["absent.tar"]);
    let made = run(here, "", &["report", "bundle", "-o", "evidence.tar"]).with(0);
    made.says(&["20260504T120000.000Z", "ed25519:", "next: "]);
    let mode = |name: &str| std::fs::metadata(here.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("evidence.tar"), mode(".golive/evidence.key")), (0o600, 0o600));
    let signer = run(here, "", &["report", "key"]).with(0).stdout.trim().to_owned();
    run(here, "", &["report", "verify", "evidence.tar"]).with(0).says(&[
        "whole",
        "inconclusive",
        "journal.jsonl",
    ]);

    // Somewhere else, with nothing but the file and the key.
    let elsewhere = tempfile::tempdir().unwrap();
    let there = elsewhere.path();
    let bytes = std::fs::read(here.join("evidence.tar")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("planted-s3cret"));
    std::fs::write(there.join("evidence.tar"), &bytes).unwrap();
    run(there, "", &["report", "verify", "evidence.tar"]).with(2).says(&["--signer", "another way"]);
    let verify = ["report", "verify", "evidence.tar", "--signer", &signer];
    let whole = run(there, "", &[&verify[..], &["--format", "json"]].concat()).with(0).json();
    assert_eq!((&whole["whole"], &whole["held_against"]), (&true.into(), &signer.clone().into()));
    let place = bytes.windows(9).position(|part| part == b"\"started\"").unwrap();
    let mut changed = bytes.clone();
    changed[place + 1] ^= 0x20;
    std::fs::write(there.join("evidence.tar"), &changed).unwrap();
    run(there, "", &verify).with(10).says(&["✗ journal.jsonl was changed"]);
    std::fs::write(there.join("evidence.tar"), &bytes).unwrap();
    let stranger = run(there, "", &["report", "key"]).with(0).stdout.trim().to_owned();
    run(there, "", &["report", "verify", "evidence.tar"]).with(10).says(&["is not the key", &signer]);
    assert_ne!(stranger, signer);
    run(there, "", &["report", "verify", "evidence.tar", "--signer", "ed25519:AAAA"])
        .with(2)
        .says(&["44 letters"]);

    // And without golive.
    assert!(tool(there, "tar", &["xf", "evidence.tar"]));
    let check = "pkeyutl -verify -pubin -inkey signer.pem -rawin -in manifest.json -sigfile manifest.sig";
    let check: Vec<&str> = check.split(' ').collect();
    assert!(tool(there, "openssl", &check), "openssl takes the signature");
    run(there, "", &["report", "verify", "evidence.tar", "--signer", "signer.pem"]).with(0);
    std::fs::write(there.join("manifest.json"), "{}").unwrap();
    assert!(!tool(there, "openssl", &check));
}

#[test]
fn a_key_of_ones_own_signs_and_what_is_no_run_or_no_key_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run(here, "", &["report", "bundle"]).with(12).says(&["there is no run yet"]);
    a_run(here);
    assert!(tool(here, "openssl", &["genpkey", "-algorithm", "ed25519", "-out", "own.pem"]));
    std::fs::set_permissions(here.join("own.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(tool(here, "openssl", &["pkey", "-in", "own.pem", "-pubout", "-out", "own.pub"]));
    run(here, "", &["report", "bundle", "--key", "own.pem", "--run", "20260504T120000.000Z"]).with(0);
    run(here, "", &["report", "verify", "golive-20260504T120000.000Z.tar", "--signer", "own.pub"]).with(0);
    run(here, "", &["report", "bundle", "--key", "own.pub"]).with(2);
    std::fs::set_permissions(here.join("own.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    run(here, "", &["report", "bundle", "--key", "own.pem"]).with(2).says(&["chmod 600"]);
    for run_name in ["../runs", "", "20260504", ".."] {
        run(here, "", &["report", "bundle", "--run", run_name]).with(2).says(&["golive status"]);
    }
    let lock = std::fs::File::open(here.join(".golive/runs/lock")).unwrap();
    lock.lock().unwrap();
    run(here, "", &["status"]).with(75).says(&["next: a run is at work"]);
}
