//! Runs the service: opens what it needs, listens, and ends within seconds when told to. What is answered, `api` says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use golive_cache::{Cache, CacheOptions};
use golive_migrate::{PoolSettings, PoolSettingsError, Provider, ProviderState, SwitchError};
use golive_observe::{AlertChannel, HealthChecks, LogFile, LogTarget, ObserveOptions};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api;
use crate::api::config::{ConfigError, ServeConfig};
use crate::api::state::{Platform, SERVICE};
use crate::config::Environment;
use crate::database::DatabaseError;

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logs and the like cannot be set up.
    #[error("observation cannot be set up")]
    Observe(#[source] golive_observe::InitError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The pool's settings.
    #[error("the database pool cannot be set up")]
    Pool(#[from] PoolSettingsError),
    /// The state file cannot be read.
    #[error("the provider state at PROVIDER_STATE_FILE cannot be used")]
    ProviderState(#[source] SwitchError),
    /// Two truths about where the data is.
    #[error(
        "{} says that the data is in {state}, and DATABASE_URL says {url}; point DATABASE_URL at the database that was \
         switched to, or finish the switch", path.display()
    )]
    OtherProvider { path: PathBuf, state: &'static str, url: &'static str },
    /// Redis cannot be used.
    #[error("Redis at REDIS_URL cannot be used")]
    Redis(#[source] golive_cache::ConnectCacheError),
    /// The address is taken, or not ours.
    #[error(
        "{address} cannot be listened on; is another service there? Set BIND or MANAGEMENT_BIND to another one"
    )]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The system refuses.
    #[error("the service cannot run; see the cause")]
    System(#[source] std::io::Error),
}

/// How long requests in flight may take once the service was told to end.
const DRAIN: Duration = Duration::from_millis(2500);
/// How often readiness is looked at, also when no probe asks: somebody is told of the third failure.
const READINESS_PAUSE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(environment: &Environment) -> Result<(), ServeError> {
    let config = ServeConfig::read(environment)?;
    let _observed = golive_observe::init(observe_options(&config)).map_err(ServeError::Observe)?;
    let listener = listen(config.bind).await?;
    let management = match config.management_bind {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    check_provider(&config)?;
    let pool = PoolSettings::from_pairs(config.pool.iter().map(|(name, value)| (*name, value.as_str())))?;
    let most_connections = pool.max_connections();
    let db = connect(pool.connect_options(&config.database_url)).await?;
    let cache = open_cache(&config)?;
    let prepared = Arc::new(AtomicBool::new(false));
    let health =
        api::health::checks(&db, cache.as_ref(), most_connections, &data_directory(&config), &prepared);
    let health = api::upkeep::checks(health, &db, &config);
    let app = Arc::new(Platform::new(&config, db.clone(), cache.as_ref(), now));
    tokio::spawn(keep_sessions(Arc::clone(&app), prepared));
    let router = api::router(&app, management.is_none().then_some(&health));
    tracing::info!(
        mode = config.mode.name(),
        bind = %config.bind,
        release = config.release,
        key = config.secret_key.fingerprint(),
        "serving"
    );
    health.watch(READINESS_PAUSE);
    let ending = end_on_signal(health.clone()).map_err(ServeError::System)?;
    let managed = management.map(|listener| {
        let router = api::management_router(&app, &health);
        tokio::spawn(run(listener, router, ending.clone()))
    });
    let served = run(listener, router, ending).await;
    if let Some(managed) = managed {
        managed.abort();
    }
    // Open connections of a frozen database must not hold up the end.
    let _closed = tokio::time::timeout(Duration::from_millis(200), db.close()).await;
    tracing::info!("ended");
    served
}

/// Opens the database; what only SQLite needs is passed over by MariaDB.
async fn connect(mut options: ConnectOptions) -> Result<DatabaseConnection, DatabaseError> {
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .foreign_keys(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
    });
    Database::connect(options).await.map_err(DatabaseError::Open)
}

/// After the switch a service that still writes to the old database would lose data.
fn check_provider(config: &ServeConfig) -> Result<(), ServeError> {
    let Some(path) = &config.provider_state_file else { return Ok(()) };
    let state = ProviderState::read(path).map_err(ServeError::ProviderState)?;
    // Without a file nothing was ever switched.
    let state =
        if state.is_some_and(|state| state.provider == Provider::Mariadb) { "MariaDB" } else { "SQLite" };
    let url = if config.is_sqlite() { "SQLite" } else { "MariaDB" };
    if state == url { Ok(()) } else { Err(ServeError::OtherProvider { path: path.clone(), state, url }) }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Serves until told to end, then at most [`DRAIN`] longer.
async fn run(
    listener: TcpListener,
    router: axum::Router,
    mut ending: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let mut told = ending.clone();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        until_true(&mut told).await;
    });
    let deadline = async move {
        until_true(&mut ending).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => served.map_err(ServeError::System),
        () = deadline => {
            tracing::warn!("requests still in flight were given up");
            Ok(())
        }
    }
}

/// Waits for the word, or until nobody is left to give it, which is the end as well.
async fn until_true(told: &mut watch::Receiver<bool>) {
    while !*told.borrow_and_update() {
        if told.changed().await.is_err() {
            return;
        }
    }
}

/// Becomes true on SIGTERM or SIGINT; readiness says no from then on.
fn end_on_signal(health: HealthChecks) -> std::io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        health.drain();
        tracing::info!("told to end; requests in flight finish");
        let _nobody_listens = tell.send(true);
    });
    Ok(told)
}

/// Redis may come later than the service: until then nobody is let in and readiness says why.
fn open_cache(config: &ServeConfig) -> Result<Option<Cache>, ServeError> {
    let Some(url) = &config.redis_url else { return Ok(None) };
    let mut options = CacheOptions::new(url.clone());
    // A stall of the disk under Redis must not end a shift's work; one second is still soon for a dead Redis.
    options.command_timeout = Duration::from_secs(1);
    options.client_tracking = true;
    options.key_prefix = format!("{SERVICE}:{}", config.mode.name());
    Cache::start(&options).map(Some).map_err(ServeError::Redis)
}

async fn keep_sessions(app: api::state::App, prepared: Arc<AtomicBool>) {
    app.open().await;
    prepared.store(true, Ordering::Release);
    app.sessions.prune().await;
}

fn observe_options(config: &ServeConfig) -> ObserveOptions {
    let mut options = ObserveOptions::new(SERVICE);
    config.mode.name().clone_into(&mut options.environment);
    options.release.clone_from(&config.release);
    options.log = match &config.log_file {
        Some(path) => LogTarget::File(LogFile::new(path)),
        None => LogTarget::Json,
    };
    options.level.clone_from(&config.log_level);
    options.otlp_endpoint.clone_from(&config.otlp_endpoint);
    options.trace_sampling = config.trace_sampling;
    options.sentry_dsn.clone_from(&config.sentry_dsn);
    options.alerts.channels.extend(config.alert_webhook.clone().map(AlertChannel::Slack));
    options.error_journal.clone_from(&config.error_journal);
    options.scrubber = options.scrubber.with_secret(&config.secret_key.dangerous_expose().into());
    for url in [Some(&config.database_url), config.redis_url.as_ref()].into_iter().flatten() {
        let password =
            url::Url::parse(url.expose_secret()).ok().and_then(|url| url.password().map(str::to_owned));
        if let Some(password) = password {
            options.scrubber = options.scrubber.with_secret(&password.into());
        }
    }
    options
}

/// Where the service writes: beside its SQLite file, beside its log, or here.
fn data_directory(config: &ServeConfig) -> PathBuf {
    let file = config.database_url.expose_secret().strip_prefix("sqlite://").filter(|_| config.is_sqlite());
    let file = file.map(|file| PathBuf::from(file.split('?').next().unwrap_or(file)));
    let parent = file.or_else(|| config.log_file.clone()).and_then(|file| file.parent().map(Path::to_owned));
    parent.filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from("."))
}

/// The one clock of the service. To the microsecond: MariaDB keeps no more, and what one database has the other must
/// have too.
#[expect(clippy::disallowed_methods, reason = "the edge reads the clock and passes it on")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
