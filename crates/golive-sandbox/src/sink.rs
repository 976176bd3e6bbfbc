//! A local HTTP server that answers everything with 200 and remembers what it was sent.
//!
//! It stands in for a collector (of errors, traces, alerts) so that a sender can be proved. It decompresses and
//! interprets nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The largest body accepted, in bytes; a larger one is answered with 413 and not kept.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// What is kept at most; later requests are answered with 503.
const MOST_REQUESTS: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// One request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The method, in capitals.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers, names in lower case; a repeated one has its values joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The body, as sent.
    pub body: Vec<u8>,
}

/// Why the sink does not listen.
#[derive(Debug, thiserror::Error)]
#[error("listen on 127.0.0.1 for requests to capture; check the limit of open files")]
#[non_exhaustive]
pub struct SinkError {
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// A running capture server; it stops when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    store: Arc<Store>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Store {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    requests: Vec<Received>,
    bytes: usize,
}

impl Store {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room for it.
    fn keep(&self, received: Received) -> bool {
        let mut kept = self.kept();
        if kept.requests.len() >= MOST_REQUESTS || kept.bytes + received.body.len() > MOST_BYTES {
            return false;
        }
        kept.bytes += received.body.len();
        kept.requests.push(received);
        self.changed.notify_all();
        true
    }
}

impl Sink {
    /// Listens on a free port of 127.0.0.1, on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no port or thread.
    pub fn start() -> Result<Self, SinkError> {
        let failed = |source| SinkError { source };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let store = Arc::new(Store::default());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("golive-sink".into())
            .spawn({
                let store = Arc::clone(&store);
                move || {
                    runtime.block_on(async move {
                        tokio::select! {
                            _ = stopped => {}
                            () = serve(listener, store) => {}
                        }
                    });
                }
            })
            .map_err(failed)?;
        Ok(Self { address, store, stop: Some(stop), thread: Some(thread) })
    }

    /// Its address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything received so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.store.kept().requests.clone()
    }

    /// Waits until at least `count` requests came, or `timeout` passed; returns what came.
    #[must_use]
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Received> {
        let deadline = Instant::now() + timeout;
        let mut kept = self.store.kept();
        while kept.requests.len() < count {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            kept = self.store.changed.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        kept.requests.clone()
    }

    /// Forgets what was received.
    pub fn clear(&self) {
        *self.store.kept() = Kept::default();
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, store: Arc<Store>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: let connections end before the next attempt.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let store = Arc::clone(&store);
                async move { Ok::<_, Infallible>(answer(request, &store).await) }
            });
            // A sender that hangs up is not our error.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_WITHIN)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>, store: &Store) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let status = match collect(body).await {
        Err(status) => status,
        Ok(body) => {
            let received = Received {
                method: head.method.to_string(),
                path: head.uri.to_string(),
                headers: text_of(&head.headers),
                body,
            };
            if store.keep(received) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
        }
    };
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

async fn collect(body: Incoming) -> Result<Vec<u8>, StatusCode> {
    // A length that is announced is believed before the bytes come.
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, LARGEST_BODY).collect()).await {
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
    }
}

fn text_of(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        texts
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    texts
}
