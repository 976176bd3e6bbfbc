//! A local mail server that takes every message and remembers what it was told, for proving a sender.
//!
//! It speaks as much of RFC 5321 as a client needs to deliver, and AUTH PLAIN without looking at the password. It has TLS from the
//! first byte (RFC 8314) or none, and never STARTTLS. What must not be here: reading the message.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Certificate;

/// The longest line taken, in bytes; RFC 5321 allows 1,000.
const LONGEST_LINE: u64 = 8 * 1024;
/// The most lines kept; a connection that says more is closed.
const MOST_LINES: usize = 10_000;
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Why the mail server does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailSinkError {
    /// The system gives no port or thread.
    #[error("listen on 127.0.0.1 for mail to capture; check the limit of open files")]
    Listen(#[source] std::io::Error),
    /// The certificate and its key are not fit for a server.
    #[error("serve mail over TLS with the certificate given")]
    Tls(#[source] rustls::Error),
    /// The certificate or its key is no PEM.
    #[error("read the certificate for serving mail over TLS")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

/// A running mail server; it stops when dropped.
#[derive(Debug)]
pub struct MailSink {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MailSink {
    /// Listens on a free port of 127.0.0.1: with a certificate for `smtps://`, without one for a server that has no TLS.
    ///
    /// # Errors
    /// When the system gives no port or thread, or the certificate cannot be served.
    pub fn start(certificate: Option<&Certificate>) -> Result<Self, MailSinkError> {
        let tls = certificate.map(served).transpose()?.map(Arc::new);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(MailSinkError::Listen)?;
        let port = listener.local_addr().map_err(MailSinkError::Listen)?.port();
        let (told, ends) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let (kept, ended) = (Arc::clone(&told), Arc::clone(&ends));
        let thread = std::thread::Builder::new()
            .name("golive-mail".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    // A client that goes away in the middle has said what it has said.
                    let _ = serve(stream, tls.as_ref(), &kept);
                }
            })
            .map_err(MailSinkError::Listen)?;
        Ok(Self { port, told, ends, thread: Some(thread) })
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every line that clients sent, in order: commands, headers, text.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes it, to see that it has to end.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn served(certificate: &Certificate) -> Result<rustls::ServerConfig, MailSinkError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(certificate.certificate_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.expose_key_pem().as_bytes());
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(MailSinkError::Tls)?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(MailSinkError::Pem)?, key.map_err(MailSinkError::Pem)?)
        .map_err(MailSinkError::Tls)
}

fn serve(
    stream: TcpStream,
    tls: Option<&Arc<rustls::ServerConfig>>,
    told: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    match tls {
        Some(config) => {
            let connection =
                rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
            talk(rustls::StreamOwned::new(connection, stream), told)
        }
        None => talk(stream, told),
    }
}

fn talk(stream: impl Read + Write, told: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 mail.test ESMTP\r\n")?;
    let mut is_message = false;
    loop {
        let mut line = String::new();
        if stream.by_ref().take(LONGEST_LINE).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() >= MOST_LINES {
                return Ok(());
            }
            told.push(line.clone());
        }
        let answer = match line.split(' ').next().unwrap_or_default() {
            "." if is_message => "250 taken",
            _ if is_message => continue,
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => "235 welcome",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        is_message = answer.starts_with("354");
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
    }
}
