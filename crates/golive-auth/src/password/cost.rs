//! How much an argon2id hash costs, and how much this machine can pay. Passwords are not known here.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

/// Parameters of argon2id. Never below OWASP's first choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Argon2Cost {
    /// Memory of one hash in KiB. Default 19,456 (19 MiB); less counts as that, more than 1 GiB as 1 GiB.
    pub memory_kib: u32,
    /// Passes over it. Default 2; less counts as that, more than 10 as 10.
    pub passes: u32,
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: LEAST_MEMORY_KIB, passes: LEAST_PASSES }
    }
}

/// What a calibration found.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Calibration {
    /// The cost to use.
    pub cost: Argon2Cost,
    /// How long one hash of it takes here.
    pub took: Duration,
}

impl Argon2Cost {
    /// The highest cost whose hash takes about `target` on this machine: more memory first, up to `most_memory_kib`, and
    /// then more passes. Blocks for some times `target`. A machine that is slower than that gets the least cost allowed.
    pub fn calibrate(target: Duration, most_memory_kib: u32) -> Calibration {
        let target = target.min(Duration::from_secs(2));
        let measured = |cost: Argon2Cost| Calibration { cost, took: cost.measure() };
        let mut best = measured(Self::default());
        loop {
            // The time grows with memory times passes.
            let mut next = best.cost;
            if next.memory_kib < most_memory_kib.min(MOST_MEMORY_KIB) {
                next.memory_kib = (next.memory_kib * 3 / 2).min(most_memory_kib).min(MOST_MEMORY_KIB);
            } else if next.passes < MOST_PASSES {
                next.passes += 1;
            } else {
                return best;
            }
            let tried = measured(next);
            if tried.took > target {
                return best;
            }
            best = tried;
        }
    }

    /// The shortest of three: others work on this machine too.
    fn measure(self) -> Duration {
        let argon2 = self.argon2();
        let mut out = [0; 32];
        let times = (0..3).map(|_| {
            let start = Instant::now();
            argon2.hash_password_into(b"calibration", b"of this machine!", &mut out).expect("valid lengths");
            start.elapsed()
        });
        times.min().unwrap_or_default()
    }

    pub(super) fn argon2(self) -> Argon2<'static> {
        let memory = self.memory_kib.clamp(LEAST_MEMORY_KIB, MOST_MEMORY_KIB);
        let passes = self.passes.clamp(LEAST_PASSES, MOST_PASSES);
        let params = Params::new(memory, passes, 1, None).expect("within argon2's limits");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    /// Whether a stored argon2id hash cost less.
    pub(super) fn is_above(self, stored: &str) -> bool {
        let Some(rest) = stored.strip_prefix("$argon2id$v=19$") else { return true };
        let costs = rest.split('$').next().unwrap_or_default();
        let cost = |name: &str| -> u32 {
            let found = costs.split(',').find_map(|cost| cost.strip_prefix(name));
            found.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let work = |memory: u32, passes: u32| u64::from(memory) * u64::from(passes);
        let memory = self.memory_kib.max(LEAST_MEMORY_KIB);
        cost("m=") < LEAST_MEMORY_KIB
            || work(cost("m="), cost("t=")) < work(memory, self.passes.max(LEAST_PASSES))
    }
}

/// OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
const LEAST_MEMORY_KIB: u32 = 19_456;
const LEAST_PASSES: u32 = 2;
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_below_the_least_and_never_above_the_memory_given() {
        let least = Argon2Cost::calibrate(Duration::ZERO, 0);
        assert_eq!(least.cost, Argon2Cost::default());
        let more = Argon2Cost::calibrate(Duration::from_millis(60), 24_000);
        assert!((LEAST_MEMORY_KIB..=24_000).contains(&more.cost.memory_kib));
        let silly = Argon2Cost { memory_kib: 1, passes: 0 };
        assert_eq!(silly.argon2().params().m_cost(), LEAST_MEMORY_KIB);
    }

    #[test]
    fn a_cheaper_hash_is_told() {
        let cost = Argon2Cost { memory_kib: 65_536, passes: 3 };
        assert!(cost.is_above("$argon2id$v=19$m=19456,t=2,p=1$salt$hash"));
        assert!(!cost.is_above("$argon2id$v=19$m=65536,t=3,p=4$salt$hash"));
        assert!(!Argon2Cost::default().is_above("$argon2id$v=19$m=65536,t=3,p=4$salt$hash"));
        assert!(Argon2Cost::default().is_above("$argon2id$v=19$m=8,t=9000,p=1$salt$hash"));
        assert!(Argon2Cost::default().is_above("$2b$12$abc"));
    }
}
