//! `cargo xtask bench`: says that there are no benchmarks yet, and nothing else.

use crate::run::Failure;

pub(crate) fn run() -> Result<u8, Failure> {
    Err(Failure::usage(
        "not yet: benchmarks with recorded baselines come with a later release. Until then `cargo xtask golive -- \
         --scale 20` reports the seconds of each step and the latencies of the load test"
            .to_owned(),
    ))
}
