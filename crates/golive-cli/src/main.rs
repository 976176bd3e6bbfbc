//! The golive command.
fn main() {}
