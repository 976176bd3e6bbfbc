//! Prints the go-live table, for `docs/go-live.md`.

#[expect(clippy::print_stdout, reason = "an example that exists to print")]
fn main() {
    print!("{}", golive::go_live_table());
}
