//! What reaches the terminal: documents to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};

/// Prints a document; whoever reads may have gone away, which is no error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// Prints a value as one JSON document.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    print(&serde_json::to_string_pretty(value).expect("reports are plain data"));
}

/// Prints a line beside the document.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// How wide a document may be.
pub(crate) fn width() -> usize {
    console_width().clamp(60, 140)
}

fn console_width() -> usize {
    crate::clock::environment("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(110)
}

/// Whether stdout is looked at by a person.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether stdout is to be colored: a person looks, and wants it (<https://no-color.org>).
pub(crate) fn is_colored(global: &crate::args::Global) -> bool {
    let unwanted = crate::clock::environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let plain = crate::clock::environment("TERM").is_some_and(|term| term == "dumb");
    !global.no_color && !unwanted && !plain && is_terminal()
}
