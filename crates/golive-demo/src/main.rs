//! The demo platform.
fn main() {}
