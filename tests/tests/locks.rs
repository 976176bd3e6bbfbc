//! Two runs at once in one folder: the second goes away and changes nothing.

use golive_tests::{Platform, Running, seconds, wait_until};

/// A rehearsal that has taken its lock and is at work.
fn at_work(platform: &Platform) -> Running {
    let first = platform.start(&["rehearse", "--scale", "10"]);
    wait_until("the first run to begin its journal", seconds(60), || {
        assert!(first.is_running(), "{}", first.said());
        let journal = platform.runs().join("rehearsals/latest/journal.jsonl");
        std::fs::metadata(journal).is_ok_and(|about| about.len() > 0).then_some(())
    });
    first
}

#[test]
fn heavy_a_second_run_goes_away_with_75_and_changes_nothing() {
    let platform = Platform::demo();
    let first = at_work(&platform);
    let before = platform.rehearsal().path("journal.jsonl");
    for arguments in [&["rehearse"][..], &["rehearse", "--resume"], &["rehearse", "--only", "ci"]] {
        let second = platform.golive(arguments).expect_code(75);
        assert!(second.stderr.contains("another run"), "{second}");
        assert!(second.stderr.contains("wait"), "says what to do next: {second}");
        assert_eq!(second.stdout, "", "{second}");
    }
    assert!(first.is_running(), "the first run was disturbed: {}", first.said());
    assert_eq!(platform.rehearsal().path("journal.jsonl"), before, "the newest run is still the first");
    let opened = platform.rehearsal().journal().into_iter().filter(|entry| entry["event"] == "opened");
    assert_eq!(opened.count(), 1, "nobody else wrote to the journal");
    let folders = std::fs::read_dir(platform.runs().join("rehearsals")).into_iter().flatten().flatten();
    let runs = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    assert_eq!(runs.count(), 1, "the second run made no folder");
    // The lock dies with its holder, however that ends: nothing is left to clean up by hand.
    let _ = first.kill();
    let third = platform.golive(&["rehearse", "--only", "ci"]);
    assert_ne!(third.code, Some(75), "{third}");
}
