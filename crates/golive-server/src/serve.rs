//! Listening: connections are bounded in number, in the time their requests may take, and in what they may send; an address that
//! others reach is listened on with TLS and for operators only.
//!
//! Not here: what is answered (`router`).

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::access::{OpenAuditError, OperatorsError, OperatorsFile};
use crate::options::{Limits, ServerOptions, TlsFiles};
use crate::router::Console;

/// Why the console could not be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could reach it, and read along.
    #[error(
        "listen on {address} without TLS: give a certificate and a key, or use a loopback address and a tunnel"
    )]
    NeedsTls {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Others could reach it, and nobody may log in.
    #[error(
        "listen on {address} while nobody may log in: add an operator with `golive serve --add-operator NAME`"
    )]
    NeedsOperators {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The name that browsers will ask for is not known.
    #[error(
        "listen on {address} without a name: give the name that browsers will show with --host NAME:PORT"
    )]
    NeedsHost {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The operators could not be read.
    #[error(transparent)]
    Operators(#[from] OperatorsError),
    /// The certificate or key could not be used.
    #[error("use the certificate {certificate} with the key {key}", certificate = files.certificate.display(), key = files.key.display())]
    Tls {
        /// The files.
        files: TlsFiles,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The audit trail.
    #[error(transparent)]
    Audit(#[from] OpenAuditError),
    /// The address is taken or not ours.
    #[error("listen on {address}; choose another with --listen")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A bound server.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    console: Console,
    limits: Limits,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Binds the address, so that it is known before anything is served.
///
/// # Errors
/// When the address is not safe to listen on with what was given, or taken, or a file cannot be used.
pub async fn bind(options: &ServerOptions) -> Result<Server, ServeError> {
    let address = options.listen;
    if !address.ip().is_loopback() {
        check_public(options)?;
    }
    let tls = options.tls.as_ref().map(acceptor).transpose()?;
    let fail = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    let mut options = options.clone();
    // Whoever is on another machine cannot read this terminal; there is no use for a link that could be found.
    options.entry_link &= address.ip().is_loopback();
    let console = Console::open_at(&options, Some(address)).await?;
    Ok(Server { listener, address, tls, console, limits: options.limits })
}

fn check_public(options: &ServerOptions) -> Result<(), ServeError> {
    let address = options.listen;
    if options.tls.is_none() {
        return Err(ServeError::NeedsTls { address });
    }
    if OperatorsFile::new(options.operators_file()).list()?.is_empty() {
        return Err(ServeError::NeedsOperators { address });
    }
    if address.ip().is_unspecified() && options.hosts.is_empty() {
        return Err(ServeError::NeedsHost { address });
    }
    Ok(())
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let fail =
        |source: Box<dyn std::error::Error + Send + Sync>| ServeError::Tls { files: files.clone(), source };
    let chain =
        CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| fail(error.into()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| fail(error.into()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| fail(error.into()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser finds it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The link that lets in whoever opens it first, where there is one: for this terminal, and for nothing that keeps it.
    #[must_use]
    pub fn entry_url(&self) -> Option<SecretString> {
        use secrecy::ExposeSecret;
        let path = self.console.entry_path()?;
        Some(SecretString::from(format!("{}{}", self.url(), path.expose_secret())))
    }

    /// Serves until `end` is done; open connections are then given a moment, and closed.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) {
        let (stop, stopped) = watch::channel(());
        let door = Door {
            router: self.console.router(),
            tls: self.tls,
            limits: self.limits.clone(),
            places: Arc::new(Semaphore::new(self.limits.connections)),
            addresses: Arc::default(),
            stopped,
        };
        tokio::pin!(end);
        loop {
            let accepted = tokio::select! {
                () = &mut end => break,
                accepted = door.accept(&self.listener) => accepted,
            };
            match accepted {
                Some((stream, peer, place)) => door.admit(stream, peer, place),
                // Out of file handles, most likely: others must close theirs first.
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        self.console.end().await;
        drop(stop);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(LAST_MOMENT, door.places.acquire_many(all)).await;
    }
}

struct Door {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    places: Arc<Semaphore>,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    stopped: watch::Receiver<()>,
}

impl Door {
    /// The next connection, once there is a place for it: more wait in the system's queue, which has its own end.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the places are never closed");
        match listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, place)),
            Err(error) => {
                tracing::warn!(%error, "the console could not accept a connection");
                None
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let Some(share) = Share::take(&self.addresses, peer.ip(), self.limits.connections_of_address) else {
            return;
        };
        let (router, limits, stopped) = (self.router.clone(), self.limits.clone(), self.stopped.clone());
        let tls = self.tls.clone();
        tokio::spawn(async move {
            let _held = (place, share);
            let Some(tls) = tls else { return converse(stream, peer, router, &limits, stopped).await };
            if let Ok(Ok(stream)) = tokio::time::timeout(limits.head, tls.accept(stream)).await {
                converse(stream, peer, router, &limits, stopped).await;
            }
        });
    }
}

/// Requests and answers over one connection. What goes wrong is the other side's: it went away, or sent what is no HTTP.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    limits: &Limits,
    mut stopped: watch::Receiver<()>,
) {
    let router = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let mut http = http1::Builder::new();
    // Kept alive, a connection that is idle has the same time as one whose request does not come to its end.
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    http.max_headers(MOST_HEADERS).max_buf_size(HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(LAST_MOMENT, connection).await;
}

/// One connection of an address, given back when it ends.
struct Share {
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Share {
    fn take(addresses: &Arc<Mutex<HashMap<IpAddr, usize>>>, address: IpAddr, most: usize) -> Option<Self> {
        let mut counts = addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { addresses: Arc::clone(addresses), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

const MOST_HEADERS: usize = 64;
const HEAD_BYTES: usize = 16 * 1024;
/// How long an answer may take to its end once the console is told to end.
const LAST_MOMENT: Duration = Duration::from_secs(2);
