//! One connection to the application, and one exchange over it.
//!
//! A user has a connection of its own, as a browser has, and polls it itself: no task, no pool and no lock stand between the
//! clock and the wire. HTTP/1.1 only. What must not be here: what an answer should be.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::plan::LoadPlan;

/// Why an exchange failed: the class that is counted, and the cause of the first of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) class: &'static str,
    pub(crate) cause: String,
}

impl Broken {
    fn new(class: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { class, cause: cause.to_string() }
    }
}

/// Where to connect.
pub(crate) struct Target {
    host: String,
    port: u16,
    /// What the `Host` header says.
    pub(crate) authority: String,
    /// What stands before every path.
    pub(crate) prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connect_timeout: Duration,
}

impl Target {
    /// `Err` says what is wrong with the plan.
    pub(crate) fn new(plan: &LoadPlan) -> Result<Self, String> {
        let url = &plan.base_url;
        let host = url.host_str().ok_or("the base URL names no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or("the base URL must be http or https")?;
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(tls(plan, &host)?),
            _ => return Err("the base URL must be http or https".to_owned()),
        };
        Ok(Self {
            authority: authority(url),
            prefix: url.path().trim_end_matches('/').to_owned(),
            host,
            port,
            tls,
            connect_timeout: plan.request_timeout.min(CONNECT_TIMEOUT),
        })
    }

    /// The path to ask for: what the plan says stands behind the base URL, what an answer gave is a place of its own on the
    /// same host.
    pub(crate) fn place(&self, path: &str, is_given: bool) -> Result<String, Broken> {
        if !is_given {
            return Ok(format!("{}{path}", self.prefix));
        }
        if self.is_elsewhere(path) {
            return Err(Broken::new(
                "redirect_elsewhere",
                "an answer points to another host, and was not followed",
            ));
        }
        match Url::parse(path) {
            Ok(url) => Ok(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()),
            Err(_) if path.starts_with('/') => Ok(path.to_owned()),
            Err(_) => Err(Broken::new("request", "an answer gave an address that does not begin with /")),
        }
    }

    /// Whether an address that an answer points to is of another host.
    pub(crate) fn is_elsewhere(&self, location: &str) -> bool {
        match Url::parse(location) {
            Ok(url) => authority(&url) != self.authority,
            // A path alone stays here; `//host/path` does not.
            Err(_) => location.starts_with("//"),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Broken> {
        let connecting = async {
            let tcp = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(|error| Broken::new("connect", error))?;
            // Without it the second half of a request waits for an acknowledgement.
            let _ = tcp.set_nodelay(true);
            let stream: Box<dyn Stream> = match &self.tls {
                None => Box::new(tcp),
                Some((connector, name)) => {
                    let handshake = connector.connect(name.clone(), tcp).await;
                    Box::new(handshake.map_err(|error| Broken::new("tls", error))?)
                }
            };
            let (sender, driver) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| Broken::new("transport", error))?;
            Ok(Connection { sender, driver: Box::pin(driver), ended: false })
        };
        let late = || {
            Broken::new("connect", format!("not connected within {} ms", self.connect_timeout.as_millis()))
        };
        tokio::time::timeout(self.connect_timeout, connecting).await.unwrap_or_else(|_| Err(late()))
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn tls(plan: &LoadPlan, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut config = client_config(plan.root_certificate_pem.as_deref())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned()).map_err(|_| "the base URL's host is no name for TLS")?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Trusts the usual authorities and this one.
pub(crate) fn client_config(authority_pem: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(authority_pem.unwrap_or_default().as_bytes()) {
        let certificate = certificate.map_err(|_| "the certificate authority is no PEM")?;
        roots.add(certificate).map_err(|_| "the certificate authority is no certificate")?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A request on its way.
pub(crate) type Unsent = Request<Full<Bytes>>;

type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// An open connection with nothing under way on it between two exchanges.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
    ended: bool,
}

impl Connection {
    /// Whether the other side has left it open.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.driven(std::future::ready(())).await;
        !self.ended && !self.sender.is_closed()
    }

    /// Sends a request and waits for the head of the answer. A request of which nothing was sent comes back.
    pub(crate) async fn send(
        &mut self,
        request: Unsent,
    ) -> Result<Response<Incoming>, (Broken, Option<Unsent>)> {
        let Self { sender, driver, ended } = self;
        let answer = Driven { driver, ended, work: pin!(sender.try_send_request(request)) }.await;
        answer.map_err(|mut failed| {
            let unsent = failed.take_message();
            (Broken::new("transport", root(failed.error())), unsent)
        })
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(crate) async fn chunk(&mut self, body: &mut Incoming) -> Option<Result<Bytes, Broken>> {
        loop {
            match self.driven(body.frame()).await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(Broken::new("transport", root(&error)))),
            }
        }
    }

    async fn driven<F: Future>(&mut self, work: F) -> F::Output {
        let Self { driver, ended, .. } = self;
        Driven { driver, ended, work: pin!(work) }.await
    }
}

/// Some work on a connection, with the connection going on beside it.
struct Driven<'c, 'w, F> {
    driver: &'c mut Pin<Box<Driver>>,
    ended: &'c mut bool,
    work: Pin<&'w mut F>,
}

impl<F: Future> Future for Driven<'_, '_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if !*self.ended {
            // What came in is known before the work looks for it, and what the work sends goes out at once.
            *self.ended = self.driver.as_mut().poll(context).is_ready();
        }
        if let Poll::Ready(done) = self.work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        if !*self.ended {
            *self.ended = self.driver.as_mut().poll(context).is_ready();
        }
        self.work.as_mut().poll(context)
    }
}

/// The innermost cause: the outer ones say "connection error" only.
fn root(error: &hyper::Error) -> String {
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>() {
        Some(error) => error.to_string(),
        None => innermost.to_string(),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
