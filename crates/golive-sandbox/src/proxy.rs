//! A TCP proxy to a local server whose wire can be cut at a chosen moment.
//!
//! It knows nothing of what goes through it.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a waiting accept looks whether it should end.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Connections at once; more are refused.
const CONNECTIONS_AT_ONCE: usize = 256;

/// A running proxy. It ends, and cuts what goes through it, when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: u16,
    ended: AtomicBool,
    refusing: AtomicBool,
    sent: AtomicU64,
    cut_after: AtomicU64,
    delay_milliseconds: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and hands every connection on to this port there.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(to: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            to,
            ended: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            cut_after: AtomicU64::new(u64::MAX),
            delay_milliseconds: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Ok(Self { port, shared })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that went towards the server so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Cuts every connection now.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Cuts every connection once so many more bytes went towards the server, and refuses new ones from then on, until
    /// [`mend`](Self::mend).
    pub fn cut_after(&self, bytes: u64) {
        self.shared.cut_after.store(self.sent() + bytes, Ordering::Relaxed);
    }

    /// Hands on what comes from the server only after so long, from now on. Below a millisecond is nothing.
    pub fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.delay_milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    /// Lets everything through again, at once.
    pub fn mend(&self) {
        self.shared.delay_milliseconds.store(0, Ordering::Relaxed);
        self.shared.cut_after.store(u64::MAX, Ordering::Relaxed);
        self.shared.refusing.store(false, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.cut();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.ended.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((client, _)) if !self.refusing.load(Ordering::Relaxed) => {
                    // A server that is away is to the client a connection that ends at once.
                    let _ = self.carry(client);
                }
                Ok(_) => {}
                Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn carry(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        client.set_nonblocking(false)?;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        {
            let mut open = self.open.lock().expect("no holder of this lock can panic");
            open.retain(|stream| stream.peer_addr().is_ok());
            if open.len() >= 2 * CONNECTIONS_AT_ONCE {
                return Ok(());
            }
            open.extend([client.try_clone()?, server.try_clone()?]);
        }
        let (up, down) = ((client.try_clone()?, server.try_clone()?), (server, client));
        let (counting, quiet) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || counting.pump(up.0, up.1, true));
        thread::spawn(move || quiet.pump(down.0, down.1, false));
        Ok(())
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, counted: bool) {
        let mut buffer = vec![0_u8; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if counted
                && self.sent.fetch_add(read as u64, Ordering::Relaxed)
                    >= self.cut_after.load(Ordering::Relaxed)
            {
                self.refusing.store(true, Ordering::Relaxed);
                self.cut();
                break;
            }
            let delay = self.delay_milliseconds.load(Ordering::Relaxed);
            if !counted && delay > 0 {
                thread::sleep(Duration::from_millis(delay));
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        for stream in self.open.lock().expect("no holder of this lock can panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_is_cut_when_told() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = server.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in server.incoming() {
                let mut stream = stream.unwrap();
                let mut byte = [0];
                while let Ok(1..) = stream.read(&mut byte) {
                    stream.write_all(&byte).unwrap();
                }
            }
        });
        let proxy = Proxy::start(to).unwrap();
        let through = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut answer = [0];
            stream.write_all(b"x").and_then(|()| stream.read_exact(&mut answer)).map(|()| stream)
        };
        let mut open = through().unwrap();
        assert_eq!(proxy.sent(), 1);
        proxy.cut();
        assert_eq!(open.read(&mut [0]).unwrap_or(0), 0);
        proxy.cut_after(0);
        assert!(through().is_err() && through().is_err());
        proxy.mend();
        through().unwrap();
    }
}
