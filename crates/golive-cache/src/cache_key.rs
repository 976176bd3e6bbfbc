//! What a cached value is found by. Two different keys never have the same text.

use std::borrow::Cow;

/// A key of a [`ReadThrough`](crate::ReadThrough). Implemented for text, whole numbers, and pairs of keys; for an own
/// type, write it as one of these.
pub trait CacheKey {
    /// Its text. Different keys must have different texts.
    fn text(&self) -> Cow<'_, str>;
}

impl CacheKey for str {
    fn text(&self) -> Cow<'_, str> {
        self.into()
    }
}

impl CacheKey for String {
    fn text(&self) -> Cow<'_, str> {
        self.as_str().into()
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => { $(
        impl CacheKey for $number {
            fn text(&self) -> Cow<'_, str> {
                self.to_string().into()
            }
        }
    )* };
}

whole_number!(i16, u16, i32, u32, i64, u64);

impl<A: CacheKey, B: CacheKey> CacheKey for (A, B) {
    fn text(&self) -> Cow<'_, str> {
        let (first, second) = (self.0.text(), self.1.text());
        // The length keeps ("a:b", "c") and ("a", "b:c") apart.
        format!("{}:{first}:{second}", first.len()).into()
    }
}

impl<K: CacheKey + ?Sized> CacheKey for &K {
    fn text(&self) -> Cow<'_, str> {
        (*self).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stay_apart() {
        assert_ne!(("a:b", "c").text(), ("a", "b:c").text());
        assert_ne!(("1:a", "").text(), ("1", "a:").text());
        assert_eq!((7_i64, "x").text(), "1:7:x");
    }
}
