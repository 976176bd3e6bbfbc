//! The last line of a command: what to do next, by the command and how it ended.
//!
//! Not here: what an error says, which has its own.

use crate::exit::End;

/// What to do after this command, by its words, ended so; nothing where its document is all there is to say.
pub(crate) fn after(command: &[&str], end: End) -> Option<&'static str> {
    let joined = command.join(" ");
    if end == End::GoesOn {
        return Some("a run is at work: `golive status` says how far it is, `golive serve` shows it");
    }
    let row = NEXT.iter().find(|row| row.0 == joined)?;
    Some(match end {
        End::Ready => row.1,
        End::Warnings => "mend the warnings, or leave --deny-warnings out",
        End::OutOfReach => "`golive doctor` says what is missing and how to get it; then the same again",
        _ => row.2,
    })
}

/// Command, what comes after it, and what to do when it found what is not ready.
const NEXT: [(&str, &str, &str); 40] = [
    ("init", "look through golive.toml, then `golive doctor` and `golive rehearse`", ""),
    ("doctor", "`golive rehearse`", "install what is missing: `golive doctor --install`"),
    ("rehearse", "`golive plan` shows the same for your own servers", MEND),
    ("plan", "`golive run` does it", "mend what is refused above, then `golive plan` again"),
    ("run", "`golive report bundle` keeps the evidence; `golive gate` looks again any day", MEND),
    ("gate", "go; `golive report bundle` keeps the evidence", MEND),
    (
        "status",
        "`golive report` shows what it came to",
        "take up what was cut off with `--resume`, or see `golive report`",
    ),
    ("report", "`golive report bundle` keeps the evidence", MEND),
    ("report bundle", "`golive report verify FILE --signer KEY` checks it, anywhere", ""),
    (
        "report verify",
        "the verdict in it can be relied on",
        "ask for another bundle, and for the signer's key by another way",
    ),
    (
        "migrate survey",
        "`golive migrate plan`",
        "decide on each finding in [migrate.policy]; `golive explain ID` says what each means",
    ),
    ("migrate plan", "`golive migrate run`", SURVEY),
    ("migrate run", "`golive migrate verify`", SURVEY),
    (
        "migrate verify",
        "`golive migrate switch`",
        "`golive migrate run` again, or look at the rows that differ",
    ),
    ("migrate status", "`golive migrate verify`", "`golive migrate run` goes on where it was"),
    (
        "migrate switch",
        "`golive gate`",
        "start the application anew with the written address, then the same again",
    ),
    ("schema status", "`golive schema up` applies what is pending", "`golive schema up`"),
    ("schema up", "`golive schema check`", "mend the migration, then `golive schema up`"),
    ("schema down", "`golive schema status`", "mend the migration, then the same again"),
    ("schema check", "`golive schema up` in production", "mend what differs, then `golive schema check`"),
    ("schema new", "write both files, then `golive schema check`", ""),
    ("secret generate", "`golive secret check`", ""),
    ("secret rotate", "`golive secret check`", ""),
    ("secret check", "`golive accounts scan`", "`golive secret rotate` makes a good one"),
    ("accounts scan", "`golive accounts create-admin`", "`golive accounts deactivate-demo`"),
    ("accounts deactivate-demo", "`golive accounts verify`", "`golive accounts scan`"),
    ("accounts create-admin", "hand the password over, then `golive accounts verify`", ""),
    ("accounts verify", "`golive gate`", "`golive accounts scan` names who is left"),
    ("cache check", "`golive gate`", "`golive explain ID` says how each is mended"),
    ("observe check", "`golive observe send-test-error`", "`golive explain health` says what is asked for"),
    ("backup create", "`golive backup drill` proves that it comes back", "`golive backup verify`"),
    ("backup verify", "`golive backup drill`", "`golive backup create`, and find out what damaged this one"),
    ("backup drill", "`golive gate`", "`golive backup create`, then `golive backup drill`"),
    (
        "deploy audit",
        "`golive deploy check-config`",
        "`golive explain ID` says how each is mended; `golive deploy render` makes good ones",
    ),
    ("deploy check-config", "`golive tls grade HOST`", "`golive explain ID` says how each is mended"),
    ("tls grade", "`golive gate`", "`golive deploy render nginx` makes a configuration that is graded well"),
    ("load run", "`golive load report`", "`golive db review` names the slow queries"),
    ("db review", "`golive db size`", "`golive db prove` tries an index on a copy"),
    ("db size", "`golive gate`", "set what is listed, then the same again"),
    ("man", "`man -l FILE` shows one", ""),
];

const MEND: &str = "mend what is listed (`golive explain CRITERION` says how), then the same again";
const SURVEY: &str = "`golive migrate survey` names what stands in the way";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser as _};

    use super::*;
    use crate::args::Args;

    #[test]
    fn every_row_is_a_command_and_names_only_commands() {
        for (command, ready, not_ready) in NEXT {
            let root = Args::command();
            let found = command.split(' ').fold(&root, |found, word| {
                found.find_subcommand(word).unwrap_or_else(|| panic!("there is no `golive {command}`"))
            });
            assert!(!found.get_name().is_empty());
            let quoted = [ready, not_ready].into_iter().flat_map(|text| text.split('`').skip(1).step_by(2));
            for named in quoted.filter(|named| named.starts_with("golive ")) {
                let words =
                    named.split(' ').take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
                let error = Args::try_parse_from(words.chain(["--help"])).unwrap_err();
                assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "`{named}` after `{command}`");
            }
        }
    }

    #[test]
    fn the_flow_leads_from_one_command_to_the_next() {
        assert_eq!(after(&["doctor"], End::Ready), Some("`golive rehearse`"));
        assert!(after(&["migrate", "run"], End::NotReady).unwrap().contains("survey"));
        assert!(after(&["gate"], End::OutOfReach).unwrap().contains("golive doctor"));
        assert!(after(&["status"], End::GoesOn).unwrap().contains("golive serve"));
        assert_eq!(after(&["explain"], End::Ready), None);
    }
}
