//! The recovery runbook must not promise a command that this program does not have: on the day there is no time to search.

use std::process::Command;

use golive_backup::{RunbookInputs, render_runbook};

#[test]
fn every_command_of_the_runbook_is_one_that_golive_has() {
    let inputs =
        RunbookInputs::new("shop", "shop", "/backups", "/key", "/etc/golive.toml", Default::default());
    let text = render_runbook(&inputs);
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("golive ")).collect();
    assert!(commands.len() >= 8, "{text}");
    for line in commands {
        let line = line.replace("STATE_BACKUP_ID", ID).replace("BACKUP_ID", ID);
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        #[expect(clippy::disallowed_methods, reason = "a test of the built program starts the built program")]
        let mut golive = Command::new(env!("CARGO_BIN_EXE_golive"));
        // Whatever stands before `--help` is parsed first, so a wrong word or option is refused.
        let output = golive.args(&words).arg("--help").output().expect("the built program starts");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

const ID: &str = "000012-20261122T021500Z";
