//! The reader of environment files and the rules over it: no value gets into what it says.
#![no_main]

use golive_deploy::{ConfigRules, Settings, check_config};
use libfuzzer_sys::fuzz_target;

const PLANTED: &str = "q7Vx2LmZ9sKd4TnB8wRf3HyJ6";

fuzz_target!(|input: &[u8]| {
    let text = format!("SECRET_KEY={PLANTED}\n{}", String::from_utf8_lossy(input));
    let report = check_config(&Settings::parse_env_text(".env", &text), &ConfigRules::production());
    let told = format!("{report:?}");
    assert!(
        input.windows(PLANTED.len()).any(|part| part == PLANTED.as_bytes()) || !told.contains(PLANTED),
        "{told}"
    );
});
