//! The typed settings of the service, read from the environment once. What is unusable is refused with what to do next;
//! a production service does not start on a weak key, on SQLite, without Redis or with a debugging switch. Nothing is
//! opened here.

use std::net::SocketAddr;
use std::path::PathBuf;

use golive_auth::{KeyRingFile, SecretKey, TokenKeys};
use golive_cache::Network;
use golive_observe::{InvalidSampling, TraceSampling};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha512};
use url::Url;

use crate::config::Environment;

/// Everything `serve` needs to know.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) mode: Mode,
    pub(crate) bind: SocketAddr,
    pub(crate) management_bind: Option<SocketAddr>,
    pub(crate) database_url: SecretString,
    pub(crate) redis_url: Option<SecretString>,
    pub(crate) secret_key: SecretKey,
    pub(crate) token_keys: TokenKeys,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) sentry_dsn: Option<SecretString>,
    pub(crate) alert_webhook: Option<SecretString>,
    pub(crate) otlp_endpoint: Option<Url>,
    pub(crate) trace_sampling: TraceSampling,
    pub(crate) log_file: Option<PathBuf>,
    pub(crate) log_level: String,
    pub(crate) error_journal: Option<PathBuf>,
    pub(crate) provider_state_file: Option<PathBuf>,
    pub(crate) pool: Vec<(&'static str, String)>,
    pub(crate) release: String,
    /// What `golive backup status --metrics FILE` writes; deep health and /metrics tell by it how old the last backup is.
    pub(crate) backup_metrics_file: Option<PathBuf>,
    /// The certificate under which users reach the platform, in PEM; deep health tells how long it is valid.
    pub(crate) certificate_file: Option<PathBuf>,
    /// Lets who knows it read deep health on the public address.
    pub(crate) deep_token: Option<SecretString>,
}

/// How strict the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A demonstration on one machine: any key, SQLite, no Redis.
    Demo,
    /// Real people's data.
    Production,
}

impl Mode {
    /// As APP_ENV spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Production => "production",
        }
    }
}

/// A setting that keeps the service from starting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Another variable that is missing.
    #[error(transparent)]
    Environment(#[from] crate::config::EnvironmentError),
    /// A value that cannot be read. It is not repeated: it may be a secret in the wrong place.
    #[error("the environment variable {name} cannot be used: {remedy}")]
    Unusable { name: &'static str, remedy: &'static str },
    /// Fine for a demonstration, not for production.
    #[error("{name} is not fit for production: {remedy}; for a demonstration set APP_ENV=demo")]
    NotForProduction { name: &'static str, remedy: &'static str },
    /// The key is weak.
    #[error(
        "SECRET_KEY is not fit for production; make one with `golive secret generate`, or set APP_ENV=demo"
    )]
    WeakKey(#[source] golive_auth::WeakKeyError),
    /// The key ring cannot be used.
    #[error("KEY_RING_FILE cannot be used; make one with `golive secret generate --ring FILE`")]
    KeyRing(#[source] golive_auth::RingFileError),
}

impl ServeConfig {
    /// Reads the environment.
    pub(crate) fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let mode = match environment.get("APP_ENV") {
            None | Some("production") => Mode::Production,
            Some("demo") => Mode::Demo,
            Some(_) => return Err(unusable("APP_ENV", "set it to demo or production")),
        };
        let secret_key = secret_key(environment, mode)?;
        let config = Self {
            mode,
            bind: address(environment, "BIND")?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8000))),
            management_bind: address(environment, "MANAGEMENT_BIND")?,
            database_url: environment.database_url()?,
            redis_url: redis_url(environment)?,
            token_keys: token_keys(environment, &secret_key)?,
            secret_key,
            cors_origins: origins(environment)?,
            trusted_proxies: networks(environment)?,
            sentry_dsn: environment.get("SENTRY_DSN").map(SecretString::from),
            alert_webhook: environment.get("ALERT_WEBHOOK_URL").map(SecretString::from),
            otlp_endpoint: otlp_endpoint(environment)?,
            trace_sampling: trace_sampling(environment)?,
            log_file: environment.get("LOG_FILE").map(PathBuf::from),
            log_level: environment.get("LOG_LEVEL").unwrap_or("info").to_ascii_lowercase(),
            error_journal: environment.get("ERROR_JOURNAL").map(PathBuf::from),
            provider_state_file: environment.get("PROVIDER_STATE_FILE").map(PathBuf::from),
            pool: pool_variables(environment),
            backup_metrics_file: environment.get("BACKUP_METRICS_FILE").map(PathBuf::from),
            certificate_file: environment.get("CERTIFICATE_FILE").map(PathBuf::from),
            deep_token: environment.get("DEEP_HEALTH_TOKEN").map(SecretString::from),
            release: environment
                .get("RELEASE")
                .unwrap_or(concat!("golive-demo@", env!("CARGO_PKG_VERSION")))
                .to_owned(),
        };
        let is_debugging = flag(environment, "DEBUG")?;
        if mode == Mode::Production {
            config.refuse_demonstration(is_debugging)?;
        }
        config.refuse_unknown_scheme()?;
        Ok(config)
    }

    /// Whether the data is in SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.database_url.expose_secret().starts_with("sqlite:")
    }

    fn refuse_unknown_scheme(&self) -> Result<(), ConfigError> {
        let is_known = self.is_sqlite() || self.database_url.expose_secret().starts_with("mysql://");
        let remedy = "write sqlite:///path/to/file.db?mode=rwc or mysql://user:password@host:3306/name";
        if is_known { Ok(()) } else { Err(unusable("DATABASE_URL", remedy)) }
    }

    fn refuse_demonstration(&self, is_debugging: bool) -> Result<(), ConfigError> {
        let refuse = |name, remedy| Err(ConfigError::NotForProduction { name, remedy });
        if is_debugging {
            return refuse("DEBUG", "remove it or set it to false");
        }
        if self.is_sqlite() {
            return refuse("DATABASE_URL", "point it at MariaDB, mysql://user:password@host:3306/name");
        }
        if self.redis_url.is_none() {
            return refuse(
                "REDIS_URL",
                "set it to redis://:password@host:6379/0, revocations must be shared",
            );
        }
        let is_local = |origin: &String| {
            ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| origin.contains(host))
                || !origin.starts_with("https://")
        };
        if self.cors_origins.iter().any(is_local) {
            return refuse("CORS_ORIGINS", "list the https origins of the frontend only, no localhost");
        }
        Ok(())
    }
}

fn unusable(name: &'static str, remedy: &'static str) -> ConfigError {
    ConfigError::Unusable { name, remedy }
}

fn address(environment: &Environment, name: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
    let parse =
        |text: &str| text.parse().map_err(|_| unusable(name, "write ADDRESS:PORT, such as 127.0.0.1:8000"));
    environment.get(name).map(parse).transpose()
}

fn flag(environment: &Environment, name: &'static str) -> Result<bool, ConfigError> {
    match environment.get(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0" | "no") => Ok(false),
        Some("true" | "1" | "yes") => Ok(true),
        Some(_) => Err(unusable(name, "set it to true or false")),
    }
}

fn redis_url(environment: &Environment) -> Result<Option<SecretString>, ConfigError> {
    let Some(text) = environment.get("REDIS_URL") else { return Ok(None) };
    let schemes = [
        "redis",
        "rediss",
        "redis-sentinel",
        "rediss-sentinel",
        "redis-cluster",
        "rediss-cluster",
        "redis+unix",
    ];
    let is_known = text.split_once("://").is_some_and(|(scheme, _)| schemes.contains(&scheme));
    if is_known {
        Ok(Some(text.into()))
    } else {
        Err(unusable("REDIS_URL", "write redis://:password@host:6379/0"))
    }
}

/// In a demonstration any text is a key: the SHA-512 of it, in hexadecimal digits, is what signs. That makes a weak
/// key look strong and not be it, which is why production takes the key as it is or not at all.
fn secret_key(environment: &Environment, mode: Mode) -> Result<SecretKey, ConfigError> {
    let given = environment.get("SECRET_KEY");
    match (mode, given) {
        (Mode::Production, None) => Err(unusable(
            "SECRET_KEY",
            "make one with `golive secret generate`; it must be 64 or more random characters",
        )),
        (Mode::Production, Some(text)) => SecretKey::parse(text).map_err(ConfigError::WeakKey),
        (Mode::Demo, text) => {
            let digest = Sha512::digest(text.unwrap_or("golive-demo").as_bytes());
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            // A digest breaks the rules for keys about once in a universe; the error says what to do then.
            SecretKey::parse(&digits).map_err(ConfigError::WeakKey)
        }
    }
}

/// The ring that all instances follow, where there is one: then a rotation needs no restart.
fn token_keys(environment: &Environment, secret_key: &SecretKey) -> Result<TokenKeys, ConfigError> {
    match environment.get("KEY_RING_FILE") {
        Some(path) => TokenKeys::watch(KeyRingFile::at(path)).map_err(ConfigError::KeyRing),
        None => Ok(TokenKeys::new(secret_key)),
    }
}

fn origins(environment: &Environment) -> Result<Vec<String>, ConfigError> {
    let listed = environment.get("CORS_ORIGINS").unwrap_or_default().split(',').map(str::trim);
    listed
        .filter(|origin| !origin.is_empty())
        .map(|origin| {
            let is_exact = Url::parse(origin).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == origin
            });
            if is_exact {
                Ok(origin.to_owned())
            } else {
                Err(unusable(
                    "CORS_ORIGINS",
                    "list exact origins with commas, such as https://app.example.com, without a path or *",
                ))
            }
        })
        .collect()
}

fn otlp_endpoint(environment: &Environment) -> Result<Option<Url>, ConfigError> {
    let parse = |text: &str| {
        Url::parse(text).map_err(|_| unusable("OTEL_EXPORTER_OTLP_ENDPOINT", "write http://host:4318"))
    };
    environment.get("OTEL_EXPORTER_OTLP_ENDPOINT").map(parse).transpose()
}

fn trace_sampling(environment: &Environment) -> Result<TraceSampling, ConfigError> {
    let (sampler, argument) =
        (environment.get("OTEL_TRACES_SAMPLER"), environment.get("OTEL_TRACES_SAMPLER_ARG"));
    TraceSampling::from_variables(sampler, argument).map_err(|invalid| match invalid {
        InvalidSampling::Ratio { .. } => unusable("OTEL_TRACES_SAMPLER_ARG", "write a share from 0.0 to 1.0"),
        _ => unusable(
            "OTEL_TRACES_SAMPLER",
            "write parentbased_traceidratio or another name that OpenTelemetry knows",
        ),
    })
}

const POOL_VARIABLES: [&str; 4] =
    ["DATABASE_POOL_SIZE", "DATABASE_MAX_OVERFLOW", "DATABASE_POOL_TIMEOUT", "DATABASE_POOL_RECYCLE"];

fn pool_variables(environment: &Environment) -> Vec<(&'static str, String)> {
    POOL_VARIABLES.iter().filter_map(|name| Some((*name, environment.get(name)?.to_owned()))).collect()
}

fn networks(environment: &Environment) -> Result<Vec<Network>, ConfigError> {
    let listed = environment.get("TRUSTED_PROXIES").unwrap_or_default().split(',').map(str::trim);
    let remedy = "list addresses or networks with commas, such as 10.0.0.5,192.0.2.0/24";
    let parse = |text: &str| text.parse().map_err(|_| unusable("TRUSTED_PROXIES", remedy));
    listed.filter(|text| !text.is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ServeConfig, ConfigError> {
        ServeConfig::read(
            &pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    const STRONG: &str = "q7Vx2LmZ9sKd4TnB8wRf3HyJ6cPg1UaE5oXiQv0MtNzSbDkWlYrCuGhFjAePq7x2";
    const PRODUCTION: [(&str, &str); 4] = [
        ("APP_ENV", "production"),
        ("DATABASE_URL", "mysql://u:p@db:3306/d"),
        ("REDIS_URL", "redis://:p@cache:6379/0"),
        ("SECRET_KEY", STRONG),
    ];

    #[test]
    fn production_refuses_what_only_a_demonstration_may_have() {
        assert!(read(&PRODUCTION).is_ok());
        let broken = [
            ("APP_ENV", "prod"),
            ("DATABASE_URL", "sqlite:///tmp/x.db"),
            ("DATABASE_URL", "postgres://u:p@db/d"),
            ("REDIS_URL", ""),
            ("REDIS_URL", "http://cache"),
            ("SECRET_KEY", "demo-secret-key"),
            ("SECRET_KEY", ""),
            ("DEBUG", "true"),
            ("DEBUG", "maybe"),
            ("BIND", "everywhere"),
            ("CORS_ORIGINS", "*"),
            ("CORS_ORIGINS", "https://localhost:3000"),
            ("CORS_ORIGINS", "http://app.example.com"),
            ("CORS_ORIGINS", "https://app.example.com/path"),
            ("TRUSTED_PROXIES", "10.0.0.0/33"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ];
        for (name, value) in broken {
            let mut pairs = PRODUCTION.to_vec();
            pairs.retain(|(known, _)| *known != name);
            pairs.push((name, value));
            let error = read(&pairs).expect_err(name).to_string();
            assert!(error.contains(name), "{name}: {error}");
            assert!(value.len() < 8 || !error.contains(value), "{error}");
        }
    }

    #[test]
    fn a_demonstration_takes_any_key_and_tells_keys_apart() {
        let demo =
            |key| read(&[("APP_ENV", "demo"), ("DATABASE_URL", "sqlite:///tmp/x.db"), ("SECRET_KEY", key)]);
        let (one, other) = (demo("secret").unwrap(), demo("secret2").unwrap());
        assert_ne!(one.secret_key.fingerprint(), other.secret_key.fingerprint());
        assert_eq!(one.secret_key.fingerprint(), demo("secret").unwrap().secret_key.fingerprint());
    }

    #[test]
    fn traces_are_sampled_as_the_variables_of_opentelemetry_say() {
        let of = |ratio: &'static str| {
            let sampler = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
            let pairs = PRODUCTION.iter().copied().chain([sampler, ("OTEL_TRACES_SAMPLER_ARG", ratio)]);
            read(&pairs.collect::<Vec<_>>()).map(|config| config.trace_sampling)
        };
        assert_eq!(of("0.25").unwrap(), TraceSampling::parent_based(0.25).unwrap());
        let refused = of("25%").unwrap_err().to_string();
        assert!(refused.contains("OTEL_TRACES_SAMPLER_ARG") && !refused.contains("25%"), "{refused}");
        assert_eq!(read(&PRODUCTION).unwrap().trace_sampling, TraceSampling::default());
    }
}
