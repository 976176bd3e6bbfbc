//! Exact decimal numbers as digits: how many a value has, and how it is written. No arithmetic.

use std::borrow::Cow;

/// A decimal number's digits, without leading and trailing zeros. They stay where they were read, but for numbers with
/// an exponent, whose zeros have to be written out: a survey and a copy look at millions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Digits<'a> {
    pub(crate) negative: bool,
    /// Before the point; empty when zero.
    pub(crate) whole: Cow<'a, str>,
    /// After the point; empty when zero.
    pub(crate) fraction: Cow<'a, str>,
}

/// More digits than any MariaDB decimal can hold.
const MOST_DIGITS: usize = 400;

/// Where a number's digits are written, to be read there.
#[derive(Default)]
pub(crate) struct Scratch {
    integer: itoa::Buffer,
    real: zmij::Buffer,
}

impl<'a> Digits<'a> {
    /// Reads `-12.50`, `1e3`; `None` for anything that is no number.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits
            || (whole.is_empty() && fraction.is_empty())
            || exponent.unsigned_abs() as usize > MOST_DIGITS
        {
            return None;
        }
        if exponent == 0 {
            return Some(Self::trimmed(negative, whole, fraction));
        }
        let mut digits = format!("{whole}{fraction}");
        let mut point = i32::try_from(whole.len()).ok()? + exponent;
        if point < 0 {
            digits.insert_str(0, &"0".repeat(point.unsigned_abs() as usize));
            point = 0;
        }
        let point = usize::try_from(point).ok()?;
        if point > digits.len() {
            digits.push_str(&"0".repeat(point - digits.len()));
        }
        let (whole, fraction) = digits.split_at(point);
        Some(Digits::trimmed(negative, whole, fraction).into_owned())
    }

    /// The shortest digits that read back as the same double; `None` for what is not finite.
    pub(crate) fn of_real(real: f64, scratch: &'a mut Scratch) -> Option<Self> {
        if real.is_finite() { Self::parse(scratch.real.format_finite(real)) } else { None }
    }

    pub(crate) fn of_integer(integer: i64, scratch: &'a mut Scratch) -> Self {
        Self::trimmed(integer < 0, scratch.integer.format(integer.unsigned_abs()), "")
    }

    /// Rounded to so many digits after the point, half away from zero; `None` when it has no more.
    pub(crate) fn rounded(&self, scale: usize) -> Option<Digits<'static>> {
        if self.fraction.len() <= scale {
            return None;
        }
        let up = self.fraction.as_bytes()[scale] >= b'5';
        let mut digits: Vec<u8> = self.whole.bytes().chain(self.fraction.bytes().take(scale)).collect();
        let mut carry = up;
        for digit in digits.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == b'9';
            *digit = if carry { b'0' } else { *digit + 1 };
        }
        if carry {
            digits.insert(0, b'1');
        }
        let digits = String::from_utf8(digits).ok()?;
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        Some(Digits::trimmed(self.negative, whole, fraction).into_owned())
    }

    /// Appends the number.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(if self.whole.is_empty() { b"0" } else { self.whole.as_bytes() });
        if !self.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(self.fraction.as_bytes());
        }
    }

    fn trimmed(negative: bool, whole: &'a str, fraction: &'a str) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        // There is no negative zero among decimals.
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Self { negative, whole: Cow::Borrowed(whole), fraction: Cow::Borrowed(fraction) }
    }

    fn into_owned<'b>(self) -> Digits<'b> {
        Digits {
            negative: self.negative,
            whole: Cow::Owned(self.whole.into_owned()),
            fraction: Cow::Owned(self.fraction.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written_out(digits: &Digits<'_>) -> String {
        let mut out = Vec::new();
        digits.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (text, written) in [
            ("12.50", "12.5"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("1.5e-3", "0.0015"),
            ("+7", "7"),
            (".5", "0.5"),
            ("007", "7"),
        ] {
            assert_eq!(written_out(&Digits::parse(text).unwrap()), written);
        }
        for text in ["", "abc", "1.2.3", "-", "1e", "12abc", "NaN", "."] {
            assert!(Digits::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let rounded = |text, scale| written_out(&Digits::parse(text).unwrap().rounded(scale).unwrap());
        assert_eq!(rounded("1.005", 2), "1.01");
        assert_eq!(rounded("-1.005", 2), "-1.01");
        assert_eq!(rounded("99.995", 2), "100");
        assert_eq!(rounded("0.04", 1), "0");
        assert_eq!(rounded("-0.4", 0), "0");
        assert!(Digits::parse("1.5").unwrap().rounded(2).is_none());
    }

    proptest! {
        #[test]
        fn a_double_survives_its_digits(real in proptest::num::f64::NORMAL) {
            let text = written_out(&Digits::of_real(real, &mut Scratch::default()).unwrap());
            prop_assert_eq!(text.parse::<f64>().unwrap(), real);
        }

        #[test]
        fn an_integer_is_its_digits(integer in any::<i64>()) {
            prop_assert_eq!(written_out(&Digits::of_integer(integer, &mut Scratch::default())), integer.to_string());
        }
    }
}
