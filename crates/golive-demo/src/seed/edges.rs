//! Texts and numbers that a copy or an export gets wrong when it is careless.

use rust_decimal::Decimal;

use super::random::Random;

/// Texts at the edges: quotes, escapes, line ends, four-byte characters, things that look like NULL.
const TEXTS: [&str; 16] = [
    "",
    " ",
    "NULL",
    "\\N",
    "it's",
    "she said \"no\"",
    "C:\\lines\\new\\table",
    "two\nlines",
    "carriage\r\nreturn",
    "tab\there",
    "🧵🪡 spool empty",
    "e\u{301} is not é",
    "trailing space ",
    "0000-00-00",
    "100% of `lot` #7; DROP nothing -- really",
    "日本語と العربية",
];

/// What people write on the floor.
const REMARKS: [&str; 6] = [
    "Needle changed",
    "Waiting for fabric",
    "Training of a new operator",
    "Thread tension adjusted",
    "Sample approved by the customer",
    "Shift handed over without findings",
];

/// A text at the edges.
pub(super) fn text(random: &mut Random) -> String {
    (*random.pick(&TEXTS)).to_owned()
}

/// A remark: mostly an ordinary one.
pub(super) fn remark(random: &mut Random) -> String {
    if random.one_in(4) { text(random) } else { (*random.pick(&REMARKS)).to_owned() }
}

/// A long text, now and then longer than 64 KiB.
pub(super) fn long_text(random: &mut Random) -> String {
    let lines = if random.one_in(40) { 1800 } else { random.between(1, 6) };
    (0..lines).map(|_| format!("{} – {}\n", remark(random), random.pick(&REMARKS))).collect()
}

/// A number of hundredths from `low` to `high`.
pub(super) fn hundredths(low: i64, high: i64, random: &mut Random) -> Decimal {
    Decimal::new(random.between(low, high), 2)
}

/// A number of ten-thousandths from `low` to `high`.
pub(super) fn ten_thousandths(low: i64, high: i64, random: &mut Random) -> Decimal {
    Decimal::new(random.between(low, high), 4)
}

/// A double that needs its sixteenth digit, or lies at an end of the range.
pub(super) fn double(random: &mut Random) -> f64 {
    match random.between(0, 15) {
        0 => 0.1 + 0.2,
        1 => 12_345.678_901_234_56,
        2 => -1.0e-300,
        3 => 1.0e300,
        4 => 9_007_199_254_740_991.0,
        _ => random.ratio(),
    }
}

/// A single precision number with its last digit in use.
pub(super) fn single(low: f32, high: f32, random: &mut Random) -> f32 {
    low + (high - low) * random.ratio() as f32
}
