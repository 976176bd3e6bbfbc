//! What verifying a token costs in processor time, beside jsonwebtoken's plain `decode` of the same token in the same
//! run: `cargo xtask bench auth`. Ends with 10 when the bound is missed.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, for a terminal")]

use std::hint::black_box;
use std::process::ExitCode;

use chrono::DateTime;
use golive_auth::{
    Claims, KeyAlgorithm, KeyRing, SecretKey, Subject, TokenKeys, TokenKind, TokenService, TokenSettings,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rustix::time::{ClockId, clock_gettime};
use secrecy::ExposeSecret;

const ROUNDS: usize = 21;
const CALLS: u32 = 20_000;
const BOUND: f64 = 0.5;

fn main() -> ExitCode {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut subject = Subject::new("17", "rosa.alvarez", "operator");
    subject.client_id = Some("NORTH".to_owned());
    let settings = || TokenSettings::new("plant", "plant-api");

    let secret = SecretKey::generate();
    let service = TokenService::new(TokenKeys::new(&secret), settings());
    let issued = service.issue_access(&subject, now).unwrap();
    let token = issued.token.expose_secret();
    let key = DecodingKey::from_secret(secret.dangerous_expose().as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["plant"]);
    validation.set_audience(&["plant-api"]);
    validation.validate_exp = false; // the token is of another day

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(nanoseconds(CALLS, || {
            let _claims = black_box(service.verify(token, TokenKind::Access, now).unwrap());
        }));
        theirs.push(nanoseconds(CALLS, || {
            let _claims = black_box(decode::<Claims>(token, &key, &validation).unwrap());
        }));
    }
    let (ours, theirs) = (least_and_median(ours), least_and_median(theirs));
    println!(
        "a token of {} bytes, CPU time of one verification, least / median of {ROUNDS} rounds",
        token.len()
    );
    println!("  HS256, every check     {:>7.0} / {:>7.0} ns", ours.0, ours.1);
    println!("  jsonwebtoken's decode  {:>7.0} / {:>7.0} ns", theirs.0, theirs.1);
    for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256] {
        let keys = TokenKeys::from_ring(KeyRing::generate(algorithm, now));
        let service = TokenService::new(keys, settings());
        let issued = service.issue_access(&subject, now).unwrap();
        let token = issued.token.expose_secret();
        let rounds = (0..ROUNDS).map(|_| {
            nanoseconds(500, || {
                let _claims = black_box(service.verify(token, TokenKind::Access, now).unwrap());
            })
        });
        let (least, median) = least_and_median(rounds.collect());
        println!("  {:<22} {least:>7.0} / {median:>7.0} ns", format!("{algorithm:?}"));
    }
    let ratio = ours.1 / theirs.1;
    let kept = ratio <= BOUND;
    println!(
        "ours / jsonwebtoken, HS256, medians: {ratio:.2} (bound {BOUND}): {}",
        if kept { "kept" } else { "missed" }
    );
    if kept { ExitCode::SUCCESS } else { ExitCode::from(10) }
}

/// Of the thread, so that others on the machine count little.
fn nanoseconds(calls: u32, mut call: impl FnMut()) -> f64 {
    let clock = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a short run")]
        let nanoseconds = (time.tv_sec * 1_000_000_000 + time.tv_nsec) as f64;
        nanoseconds
    };
    let start = clock();
    for _ in 0..calls {
        call();
    }
    (clock() - start) / f64::from(calls)
}

fn least_and_median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2])
}
