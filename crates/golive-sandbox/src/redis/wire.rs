//! One command to a Redis server and its answer as text, for setting servers up. No client library: that has its room
//! elsewhere.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Longer answers are nobody's business here.
const LONGEST_ANSWER: usize = 4 << 20;

/// Logs in, sends the words as one command, and returns the answer: lines for a list, an error for an error.
pub(super) fn command(port: u16, password: &SecretString, words: &[&str]) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut request = encode(&["AUTH", password.expose_secret()]);
    request.extend(encode(words));
    stream.write_all(&request)?;
    let mut reader = BufReader::new(stream);
    read(&mut reader)?;
    read(&mut reader)
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    request.into_bytes()
}

fn read(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.by_ref().take(64 << 10).read_line(&mut line)?;
    let line = line.trim_end();
    let rest = line.get(1..).unwrap_or_default();
    let length = || usize::try_from(rest.parse::<i64>().unwrap_or(-1)).ok();
    match line.chars().next() {
        Some('+' | ':') => Ok(rest.to_owned()),
        Some('-') => Err(io::Error::other(rest.to_owned())),
        Some('$') => match length() {
            Some(length) if length <= LONGEST_ANSWER => {
                let mut bytes = vec![0; length + 2];
                reader.read_exact(&mut bytes)?;
                bytes.truncate(length);
                String::from_utf8(bytes).map_err(io::Error::other)
            }
            Some(_) => Err(io::Error::other("the answer is too long")),
            None => Ok(String::new()),
        },
        Some('*') => {
            let items: Vec<String> =
                (0..length().unwrap_or(0)).map(|_| read(reader)).collect::<io::Result<_>>()?;
            Ok(items.join("\n"))
        }
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server ended the connection")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_kind_are_text() {
        let mut answers = &b"+OK\r\n:3\r\n$5\r\nab\r\nc\r\n*2\r\n$1\r\na\r\n:7\r\n$-1\r\n-ERR no\r\n"[..];
        let texts: Vec<String> = (0..5).map(|_| read(&mut answers).unwrap()).collect();
        assert_eq!(texts, ["OK", "3", "ab\r\nc", "a\n7", ""]);
        assert_eq!(read(&mut answers).unwrap_err().to_string(), "ERR no");
        assert!(read(&mut answers).is_err(), "an end is no answer");
    }
}
