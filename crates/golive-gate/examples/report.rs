//! Writes the two sample reports of the tests as HTML into the directory given, to be looked at.
#![allow(clippy::unwrap_used, reason = "an example stops at the first trouble")]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

fn main() {
    let directory = std::path::PathBuf::from(std::env::args_os().nth(1).expect("usage: report DIRECTORY"));
    for (name, report) in
        [("success", fixture::report_of_success()), ("trouble", fixture::report_of_trouble())]
    {
        std::fs::write(directory.join(name).with_extension("html"), golive_gate::to_html(&report)).unwrap();
    }
}
