//! Prints the page of traps, for `docs/traps.md`.

#[expect(clippy::print_stdout, reason = "an example that exists to print")]
fn main() {
    print!("{}", golive_tests::corpus::page());
}
