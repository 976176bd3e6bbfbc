//! Free ports on 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

/// Below the ports that systems hand to outgoing connections: a server that is stopped for a moment
/// must find its port free when it comes back.
const RANGE: std::ops::Range<u16> = 12_000..32_000;
const ATTEMPTS: usize = 200;

/// A port on 127.0.0.1 on which nobody listens now. Somebody may take it before it is used: try again then.
///
/// # Errors
/// When none was free in many attempts.
pub fn free_port() -> io::Result<u16> {
    let mut random = rand::rng();
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let found = (0..ATTEMPTS).map(|_| random.random_range(RANGE)).find(|port| listen(*port).is_ok());
    match found {
        Some(port) => Ok(port),
        None => listen(0)?.local_addr().map(|address| address.port()),
    }
}
