//! The page of all traps, for `docs/traps.md`.

use std::fmt::Write as _;

use super::{FAMILIES, Found, Then, Trap, Way, traps};

/// All traps as Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.replace("{count}", &traps().count().to_string());
    for (title, family) in FAMILIES {
        let _ = write!(page, "\n## {title}\n\n{COLUMNS}");
        for trap in *family {
            page.push_str(&line(trap));
        }
    }
    let open: Vec<&Trap> = traps().filter(|trap| trap.open.is_some()).collect();
    if !open.is_empty() {
        page.push_str(OPEN);
        for trap in open {
            let _ = writeln!(page, "- `{}`: {}", trap.name, trap.open.unwrap_or_default());
        }
    }
    page
}

fn line(trap: &Trap) -> String {
    let findings: Vec<String> = trap.findings.iter().map(|found| finding(*found)).collect();
    let remedies: Vec<String> =
        trap.remedies.iter().map(|remedy| format!("{}: {}", way(remedy.0), then(remedy.1))).collect();
    format!(
        "| `{}` | {} | {} | {} | {} |\n",
        trap.name,
        safe(trap.what),
        listed(&findings),
        then(trap.outcome),
        listed(&remedies)
    )
}

fn listed(parts: &[String]) -> String {
    if parts.is_empty() { "—".to_owned() } else { parts.join("<br>") }
}

fn finding(found: Found) -> String {
    let (id, place, count) = found.parts();
    let weight = match found {
        Found::Blocks(..) => "blocks",
        Found::Changes(..) => "changes data",
        Found::Note(..) => "note",
    };
    let place = if place.chars().count() > 40 { "(a long name)" } else { place };
    let times = if count > 1 { format!(" × {count}") } else { String::new() };
    format!("{id} ({weight}) {}{times}", safe(place))
}

fn then(outcome: Then) -> String {
    match outcome {
        Then::Equal(_) => "equal".to_owned(),
        Then::Altered(1, _) => "1 row altered as told".to_owned(),
        Then::Altered(rows, _) => format!("{rows} rows altered as told"),
        Then::Missing(1, _) => "1 row set aside as told, the others equal".to_owned(),
        Then::Missing(rows, _) => format!("{rows} rows set aside as told, the others equal"),
        Then::Refused => "refused, target untouched".to_owned(),
    }
}

fn way(way: Way) -> String {
    match way {
        Way::Mend(_) => "mend the source".to_owned(),
        Way::Accept(selector) => format!("accept `{selector}`"),
        Way::Type(column, target) => format!("type of `{column}` = `{target}`"),
        Way::Exclude(table) => format!("leave `{table}` behind"),
        Way::Collation(name) => format!("collation `{name}`"),
        Way::Policy(selector, decision) => format!("policy `{selector}` = `{decision}`"),
    }
}

/// What would end a cell of the table.
fn safe(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "\
# Traps between SQLite and MariaDB

{count} databases, each with one trap: what golive's survey finds in it, what a run without any decision leads to, and what each
remedy leads to. This page is printed from the entries that the test `heavy_every_trap_is_found_and_every_decision_leads_to_equal_data`
runs through `golive migrate survey`, `run` and `verify` on a real server; what arrived is read by other code than golive's.
Write it anew: `cargo run -p golive-tests --example traps > docs/traps.md`.

*equal*: every row is there and means the same. *altered as told*: every row is there, and in that many something means less or
something else than before (an offset, a nanosecond, a storage class), which a finding said. *refused*: nothing is written until
somebody decides.
";

const COLUMNS: &str = "\
| trap | what is in the source | findings | without a decision | remedies |
|---|---|---|---|---|
";

const OPEN: &str = "
## Not yet as it should be

These entries say what is right; golive does not do it yet, and the test insists on that until the mark is taken away.

";
