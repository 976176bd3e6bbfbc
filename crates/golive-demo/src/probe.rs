//! Asks a health address of the platform, for a container that has no other program to ask with. Plain HTTP on the
//! container's own loopback; no redirects, no TLS.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

/// The address does not answer as a healthy one does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// Nothing that can be asked.
    #[error("{url} is no plain http address; give one like http://127.0.0.1:8080/health/ready")]
    Address { url: String },
    /// No connection, or it broke.
    #[error("{url} does not answer; is `golive-demo serve` running there?")]
    Unreachable {
        url: String,
        #[source]
        source: std::io::Error,
    },
    /// Too slow.
    #[error("{url} did not answer within {} seconds; look at the log of the platform", LIMIT.as_secs())]
    TimedOut { url: String },
    /// An answer, but not a good one.
    #[error("{url} answered `{status_line}`; look at the body of that address for what is not ready")]
    NotHealthy { url: String, status_line: String },
}

const LIMIT: Duration = Duration::from_secs(3);
/// The status line is the only thing read, and no longer than this.
const LONGEST_STATUS_LINE: usize = 256;

/// Succeeds when the address answers with a status of 200 to 299.
pub(crate) async fn probe(url: &Url) -> Result<(), ProbeError> {
    let text = url.to_string();
    let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
        return Err(ProbeError::Address { url: text });
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: golive-demo-probe\r\nConnection: close\r\n\r\n",
        &url[url::Position::BeforePath..url::Position::AfterQuery],
    );
    match timeout(LIMIT, ask(host, port, &request)).await {
        Err(_) => Err(ProbeError::TimedOut { url: text }),
        Ok(Err(source)) => Err(ProbeError::Unreachable { url: text, source }),
        Ok(Ok(line)) if is_success(&line) => Ok(()),
        Ok(Ok(status_line)) => Err(ProbeError::NotHealthy { url: text, status_line }),
    }
}

async fn ask(host: &str, port: u16, request: &str) -> Result<String, std::io::Error> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && answer.len() < LONGEST_STATUS_LINE {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(&line[..line.len().min(LONGEST_STATUS_LINE)]).trim().to_owned())
}

fn is_success(status_line: &str) -> bool {
    let mut words = status_line.split_ascii_whitespace();
    words.next().is_some_and(|version| version.starts_with("HTTP/1."))
        && words.next().is_some_and(|status| status.len() == 3 && status.starts_with('2'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_2xx_is_a_success() {
        assert!(is_success("HTTP/1.1 200 OK"));
        assert!(is_success("HTTP/1.1 204"));
        for line in ["HTTP/1.1 401 Unauthorized", "HTTP/1.1 503", "", "200 OK", "SSH-2.0 200"] {
            assert!(!is_success(line), "{line}");
        }
    }

    #[tokio::test]
    async fn an_address_that_answers_503_is_not_healthy() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/health/ready", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move {
            for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 512];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let error = probe(&url).await.unwrap_err();
        assert!(
            matches!(&error, ProbeError::NotHealthy { status_line, .. } if status_line.contains("503")),
            "{error}"
        );
        probe(&url).await.unwrap();
        server.await.unwrap();
        assert!(matches!(probe(&url).await, Err(ProbeError::Unreachable { .. })));
    }
}
