//! A small deterministic generator. Not for secrets: its whole point is that everybody can repeat it.

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): one addition and three mixes a number, the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The stream `name` of `seed`. Every table has its own, so that one more draw in one changes no other.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: spreads the names over the state.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash }
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        debug_assert!(low <= high, "an empty range");
        let width = high.abs_diff(low).wrapping_add(1);
        low.wrapping_add_unsigned(if width == 0 { self.bits() } else { self.bits() % width })
    }

    /// As [`between`](Self::between), for the 32-bit columns.
    pub(super) fn count(&mut self, low: i32, high: i32) -> i32 {
        i32::try_from(self.between(low.into(), high.into())).expect("lies between two of them")
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.bits().is_multiple_of(n.max(1))
    }

    /// A double from 0 to 1, of all its 53 bits.
    pub(super) fn ratio(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of `choices`, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.bits() % choices.len().max(1) as u64;
        &choices[usize::try_from(index).expect("smaller than a length")]
    }

    /// `length` bytes, zeros and quotes among them.
    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.bits().to_le_bytes()[0]).collect()
    }

    /// `length` hexadecimal digits.
    pub(super) fn hexadecimal(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            text.push_str(&format!("{:016x}", self.bits()));
        }
        text.truncate(length);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_same_for_ever() {
        // The first numbers of SplitMix64 from state 0, as its authors publish them.
        let mut random = Random { state: 0 };
        assert_eq!(random.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn seeds_and_names_differ() {
        let first = Random::new(1, "user").bits();
        assert_ne!(first, Random::new(2, "user").bits());
        assert_ne!(first, Random::new(1, "job").bits());
        assert_eq!(first, Random::new(1, "user").bits());
    }

    #[test]
    fn between_reaches_both_ends_and_no_further() {
        let mut random = Random::new(1, "ends");
        let drawn: std::collections::BTreeSet<_> = (0..500).map(|_| random.between(-1, 2)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [-1, 0, 1, 2]);
    }
}
