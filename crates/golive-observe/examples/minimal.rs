//! A whole service: logs, errors, metrics, health and draining.

use golive_observe::{HealthChecks, Importance, ObserveOptions, init, request_layer};
use std::{error::Error, io, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let _guard = init(ObserveOptions::new("orders"))?;
    let ping = || async { Ok::<_, io::Error>(()) };
    let health = HealthChecks::new().ready("database", Importance::Critical, Duration::from_secs(1), ping);
    health.watch(Duration::from_secs(5));
    let orders = axum::Router::new().route("/orders/{id}", axum::routing::get(|| async { "an order" }));
    let app = orders.merge(health.router()).layer(request_layer());
    let listener =
        tokio::net::TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into())).await?;
    Ok(axum::serve(listener, app).with_graceful_shutdown(health.drain_on_signal()).await?)
}
