//! One connection between coordinator and agent: messages as JSON behind their length.
//!
//! What must not be here: what is said.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// Something to talk over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Reader(ReadHalf<Box<dyn Stream>>);
pub(super) struct Writer(WriteHalf<Box<dyn Stream>>);

pub(super) fn split(stream: Box<dyn Stream>) -> (Reader, Writer) {
    let (reader, writer) = tokio::io::split(stream);
    (Reader(reader), Writer(writer))
}

impl Reader {
    /// The next message, no longer than `limit`, within `patience` of silence. What is longer is not read. Dropping the
    /// future may lose part of a message: the link is of no use then.
    pub(super) async fn hear<T: DeserializeOwned>(
        &mut self,
        limit: usize,
        patience: Duration,
    ) -> io::Result<T> {
        let mut length = [0; 4];
        within(patience, self.0.read_exact(&mut length)).await?;
        let length = u32::from_be_bytes(length) as usize;
        if length > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than allowed"));
        }
        // Grown as it comes in: a length alone takes no memory.
        let mut text = Vec::with_capacity(length.min(64 * 1024));
        while text.len() < length {
            let left = (length - text.len()) as u64;
            if within(patience, (&mut self.0).take(left.min(64 * 1024)).read_buf(&mut text)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The error would quote what was said, a token perhaps.
        serde_json::from_slice(&text)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a message makes no sense"))
    }
}

impl Writer {
    pub(super) async fn say(&mut self, message: &impl Serialize, patience: Duration) -> io::Result<()> {
        let text = serde_json::to_vec(message).map_err(io::Error::other)?;
        let length = u32::try_from(text.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"))?;
        let write = async {
            self.0.write_all(&length.to_be_bytes()).await?;
            self.0.write_all(&text).await?;
            self.0.flush().await
        };
        within(patience, write).await
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Reader, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(1 << 20);
        (split(Box::new(near)).0, far)
    }

    #[tokio::test]
    async fn what_is_too_long_cut_silent_or_senseless_is_refused() {
        let kind = async |sent: &[u8], ends: bool| {
            let (mut reader, mut far) = pair();
            far.write_all(sent).await.unwrap();
            let kept = (!ends).then_some(far);
            let heard = reader.hear::<Vec<u8>>(8, Duration::from_millis(50)).await;
            drop(kept);
            heard.unwrap_err().kind()
        };
        assert_eq!(kind(&[0, 0, 0, 9], false).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(&[0, 0, 0, 3, b'['], true).await, io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[0, 0, 0, 3, b'['], false).await, io::ErrorKind::TimedOut);
        assert_eq!(kind(&[0, 0], false).await, io::ErrorKind::TimedOut);
        assert_eq!(kind(b"\0\0\0\x02{{", false).await, io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn what_is_said_is_heard() {
        let (near, far) = tokio::io::duplex(16);
        let ((mut reader, _w), (_r, mut writer)) = (split(Box::new(near)), split(Box::new(far)));
        let said: Vec<u32> = (0..5000).collect();
        let wait = Duration::from_secs(5);
        let (heard, sent) = tokio::join!(reader.hear::<Vec<u32>>(1 << 20, wait), writer.say(&said, wait));
        sent.unwrap();
        assert_eq!(heard.unwrap(), said);
    }
}
