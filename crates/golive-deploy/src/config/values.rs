//! Switches, pool arithmetic and files: the rules that need no address.
//!
//! Addresses are judged in `network.rs`, the key in `key.rs`.

use super::{PoolLimits, Seen};
use crate::finding::Finding;

pub(super) fn check(seen: &mut Seen<'_>) {
    environment(seen);
    switches(seen);
    pool(seen);
    files(seen);
}

fn environment(seen: &mut Seen<'_>) {
    let name = seen.rules.names.environment.clone();
    match seen.value(&name) {
        None => seen.find("CFG-011", &name, "is not set"),
        Some(mode) => {
            let modes = &seen.rules.production_modes;
            if !modes.iter().any(|known| known.eq_ignore_ascii_case(mode)) {
                seen.find("CFG-011", &name, "is set to something else than production");
            }
        }
    }
}

fn switches(seen: &mut Seen<'_>) {
    let off = |value: &str| ["false", "0", "off", "no"].iter().any(|word| value.eq_ignore_ascii_case(word));
    for (id, name) in
        [("CFG-010", seen.rules.names.debug.clone()), ("CFG-090", seen.rules.names.demo_mode.clone())]
    {
        if seen.value(&name).is_some_and(|value| !off(value)) {
            seen.find(id, &name, "is on");
        }
    }
}

fn pool(seen: &mut Seen<'_>) {
    let Some(limits) = &seen.rules.pool else {
        seen.not_checked
            .push("pool arithmetic: max_connections and the number of processes were not given".into());
        return;
    };
    let names = (&seen.rules.names.pool_size, &seen.rules.names.pool_overflow);
    let (size_name, overflow_name) = (names.0.clone(), names.1.clone());
    let size = number(seen, &size_name, limits.default_size);
    let overflow = number(seen, &overflow_name, limits.default_overflow);
    if let Some(message) = pool_excess(limits, size, overflow) {
        seen.find("CFG-060", &size_name, &message);
    }
}

fn number(seen: &mut Seen<'_>, name: &str, default: u32) -> u32 {
    let Some(value) = seen.value(name) else {
        return default;
    };
    value.parse().unwrap_or_else(|_not_a_number| {
        seen.find("CFG-061", name, "is not a number");
        default
    })
}

/// The sum that does not fit, told as arithmetic.
fn pool_excess(limits: &PoolLimits, size: u32, overflow: u32) -> Option<String> {
    let needed = u64::from(limits.instances) * (u64::from(size) + u64::from(overflow));
    let available = u64::from(limits.max_connections.saturating_sub(limits.reserved));
    (needed > available).then(|| {
        format!(
            "asks for too much: {} processes × ({size} + {overflow}) = {needed} connections, {available} are there \
             ({} − {} kept back)",
            limits.instances, limits.max_connections, limits.reserved
        )
    })
}

/// Does the name of a variable promise a secret, and not only where or how long one is kept?
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    if ["DATABASE_URL", "REDIS_URL", "SENTRY_DSN"].contains(&name.as_str()) {
        return true;
    }
    let words: Vec<&str> = name.split('_').collect();
    let about = [
        "FILE",
        "PATH",
        "TTL",
        "MINUTES",
        "SECONDS",
        "HOURS",
        "DAYS",
        "LENGTH",
        "ALGORITHM",
        "NAME",
        "URL",
        "TYPE",
        "HEADER",
        "ISSUER",
        "EXPIRE",
        "EXPIRY",
        "LIFETIME",
        "VERSION",
        "POLICY",
        "ID",
    ];
    let single = ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "APIKEY", "CREDENTIALS"];
    let keys = ["API", "PRIVATE", "ACCESS", "SECRET", "SIGNING", "ENCRYPTION", "JWT"];
    !words.last().is_some_and(|last| about.contains(last))
        && (words.iter().any(|word| single.contains(word))
            || words.windows(2).any(|pair| pair[1] == "KEY" && keys.contains(&pair[0])))
}

fn files(seen: &mut Seen<'_>) {
    for file in seen.settings.files() {
        let path = file.path.display().to_string();
        for &line in &file.malformed {
            let message = "this line is neither an assignment nor a comment";
            seen.findings.push(Finding::of("CFG-081", message).at(path.clone(), line));
        }
        for (name, line) in &file.repeated {
            let message = format!("{name} is defined a second time");
            seen.findings.push(Finding::of("CFG-082", message).at(path.clone(), *line));
        }
        let secret = file.names.iter().any(|(name, _)| is_secret_name(name));
        if !secret {
            continue;
        }
        if let Some(mode) = file.mode.filter(|mode| mode & 0o077 != 0) {
            let message = format!("holds secrets and has mode {mode:04o}");
            seen.findings.push(Finding::of("CFG-070", message).at(path.clone(), 0));
        }
        match seen.rules.tracked.as_ref().map(|tracked| tracked(&file.path)) {
            Some(Some(true)) => {
                let message = "holds secrets and is under version control";
                seen.findings.push(Finding::of("CFG-071", message).at(path.clone(), 0));
            }
            Some(Some(false)) => {}
            Some(None) | None => {
                seen.not_checked
                    .push(format!("version control: whether {path} is tracked could not be told"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_of_four_workers_does_not_fit() {
        let limits = PoolLimits::new(4, 121);
        assert_eq!(pool_excess(&limits, 20, 7), None);
        let message = pool_excess(&limits, 20, 10).expect("120 is more than 111");
        assert!(message.contains("4 processes × (20 + 10) = 120"), "{message}");
    }

    #[test]
    fn secret_names() {
        assert!(is_secret_name("JWT_SECRET") && is_secret_name("database_url"));
        assert!(
            !is_secret_name("TOKEN_TTL") && !is_secret_name("DB_PASSWORD_FILE") && !is_secret_name("HOST")
        );
    }
}
