//! A server that neither answers nor fails: a limit to how long it is waited for. What is done about it is for whoever waits;
//! this only tells.
//!
//! Two watches. [`guarded`] asks the server from a second connection whether it is there, so that a statement may take its
//! hours as long as it does. [`Pulse`] is for the work on one table, which moves in small steps, of which one must come
//! now and then.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio_util::sync::CancellationToken;

use crate::target::Target;

/// How long is waited for a sign of life unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// How often the server is asked, at most and at least.
const SELDOM: Duration = Duration::from_secs(15);
const OFTEN: Duration = Duration::from_millis(50);
/// How long a connection may take to be closed in order.
const GOODBYE: Duration = Duration::from_secs(1);

/// Does the work as long as the server answers; gives it up, with an error in the driver's words, when there was no answer for
/// the limit.
pub(crate) async fn guarded<T, E>(
    target: &Target,
    limit: Duration,
    failed: impl FnOnce(Error) -> E,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let done = CancellationToken::new();
    let watch = watch(target, limit, &done);
    tokio::pin!(work, watch);
    tokio::select! {
        biased;
        result = &mut work => {
            done.cancel();
            // So that no connection of ours stays behind; a server that does not hear it closes it by itself.
            let _ = tokio::time::timeout(GOODBYE, watch).await;
            result
        }
        () = &mut watch => Err(failed(stalled(limit))),
    }
}

/// What a wait in vain is told as.
pub(crate) fn stalled(limit: Duration) -> Error {
    let what = format!(
        "the server gave no sign of life for {} s: it is stopped, waits for room on its disk or cannot be reached; mend that, \
         and the same command goes on from here",
        limit.as_secs_f64()
    );
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what).into())
}

/// Ends when the server did not answer for so long, or when all is done.
async fn watch(target: &Target, limit: Duration, done: &CancellationToken) {
    let pause = (limit / 4).clamp(OFTEN, SELDOM);
    let mut conn: Option<Conn> = None;
    let mut answered = Instant::now();
    while answered.elapsed() < limit {
        // Most work is done before the first question.
        if tokio::time::timeout(pause, done.cancelled()).await.is_ok() {
            if let Some(conn) = conn {
                let _ = conn.disconnect().await;
            }
            return;
        }
        let left = limit.saturating_sub(answered.elapsed());
        match tokio::time::timeout(left, ask(target, conn.take())).await {
            Ok(Answer::Kept(there)) => {
                conn = Some(there);
                answered = Instant::now();
            }
            Ok(Answer::Refused) => answered = Instant::now(),
            // Whether it will be back the next question tells.
            Ok(Answer::None) => {}
            Err(_) => return,
        }
    }
}

enum Answer {
    Kept(Conn),
    /// Too many connections, say: there is none for us, but the server is there.
    Refused,
    None,
}

async fn ask(target: &Target, conn: Option<Conn>) -> Answer {
    let mut conn = match conn {
        Some(conn) => conn,
        None => match target.open().await {
            Ok(conn) => conn,
            Err(Error::Server(_)) => return Answer::Refused,
            Err(_) => return Answer::None,
        },
    };
    match conn.query_drop("DO 1").await {
        Ok(()) => Answer::Kept(conn),
        Err(Error::Server(_)) => Answer::Refused,
        Err(_) => Answer::None,
    }
}

/// The steps of the work on one table, by one connection or two.
#[derive(Debug)]
pub(crate) struct Pulse {
    last: Mutex<Instant>,
    /// How many of them wait for something that is not the server.
    elsewhere: AtomicUsize,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { last: Mutex::new(Instant::now()), elsewhere: AtomicUsize::new(0) }
    }

    /// A step was made.
    pub(crate) fn beat(&self) {
        *self.last.lock().expect("no holder of this lock can panic") = Instant::now();
    }

    /// Waits for something that is not the server.
    pub(crate) async fn elsewhere<T>(&self, wait: impl Future<Output = T>) -> T {
        let _elsewhere = Elsewhere::begin(self);
        wait.await
    }

    /// Does the work as long as its steps come.
    pub(crate) async fn guarded<T, E>(
        &self,
        limit: Duration,
        failed: impl FnOnce(Error) -> E,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.stops(limit) => Err(failed(stalled(limit))),
        }
    }

    async fn stops(&self, limit: Duration) {
        loop {
            let quiet = self.last.lock().expect("no holder of this lock can panic").elapsed();
            match limit.checked_sub(quiet) {
                Some(left) => tokio::time::sleep(left.max(OFTEN)).await,
                None if self.elsewhere.load(Ordering::Relaxed) > 0 => tokio::time::sleep(OFTEN).await,
                None => return,
            }
        }
    }
}

/// A wait for something that is not the server; it ends when dropped, also when it is given up.
struct Elsewhere<'a>(&'a Pulse);

impl<'a> Elsewhere<'a> {
    fn begin(pulse: &'a Pulse) -> Self {
        pulse.elsewhere.fetch_add(1, Ordering::Relaxed);
        Self(pulse)
    }
}

impl Drop for Elsewhere<'_> {
    fn drop(&mut self) {
        self.0.beat();
        self.0.elsewhere.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn only_the_server_is_waited_for_in_vain() {
        let pulse = Pulse::new();
        let stalled = pulse.guarded(LIMIT, |error| error.to_string(), pending::<Result<(), String>>()).await;
        assert!(stalled.unwrap_err().contains("no sign of life for 0.1 s"));

        let pulse = Pulse::new();
        let slow_source = pulse.elsewhere(pending::<Result<(), String>>());
        let waiting = pulse.guarded(LIMIT, |error| error.to_string(), slow_source);
        assert!(tokio::time::timeout(5 * LIMIT, waiting).await.is_err(), "a slow source is no stall");

        // Of two connections one is through with its wait, the other is not.
        let pulse = Pulse::new();
        let both = async {
            tokio::join!(pulse.elsewhere(pending::<()>()), pulse.elsewhere(async {}));
            Ok::<_, String>(())
        };
        let waiting = pulse.guarded(LIMIT, |error| error.to_string(), both);
        assert!(
            tokio::time::timeout(5 * LIMIT, waiting).await.is_err(),
            "one of them still waits for the source"
        );
    }

    #[tokio::test]
    async fn steps_keep_it_alive() {
        let pulse = Pulse::new();
        let steps = async {
            for _ in 0..10 {
                pulse.beat();
                let _ = tokio::time::timeout(LIMIT / 4, pending::<()>()).await;
            }
            Ok::<_, String>(())
        };
        assert_eq!(pulse.guarded(LIMIT, |error| error.to_string(), steps).await, Ok(()));
    }
}
