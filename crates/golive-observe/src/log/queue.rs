//! The lines that wait for the disk: bounded in bytes, written in batches by a thread of its own. Whoever logs never
//! waits for the output; what does not fit is dropped and counted. Knows neither files nor formats.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that may wait, and how many of them only warnings and errors may use: a flood of chatter must not crowd out
/// the line that explains it.
const QUEUE_BYTES: usize = 4 << 20;
const RESERVED_BYTES: usize = QUEUE_BYTES / 8;

/// What waits and what is being written, together.
pub(crate) const LARGEST_LOSS_BYTES: usize = 2 * QUEUE_BYTES;

/// How long lines are gathered before they are written together, and how many bytes of them end the wait. Waking the
/// thread for each line would cost a request more than its line does. Warnings and errors do not wait.
const GATHER_PAUSE: Duration = Duration::from_millis(10);
const GATHER_BYTES: usize = 256 << 10;

/// How long a failed output is left alone before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long the end of the program waits for the output.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Something that takes whole lines.
pub(crate) trait Output: Send {
    /// Writes as many whole lines of `lines` as it can and says how many bytes that were. An error comes with what was
    /// written before it, and leaves no part of a line behind.
    fn write_lines(&mut self, lines: &[u8]) -> (usize, io::Result<()>);
}

/// A stream that cannot be taken back: a line that was cut there stays cut.
pub(crate) struct Stream<W>(pub(crate) W);

impl<W: Write + Send> Output for Stream<W> {
    fn write_lines(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < lines.len() {
            match self.0.write(&lines[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, self.0.flush())
    }
}

/// Takes lines from whoever logs. Clones share the queue.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    is_full: AtomicBool,
    dropped: AtomicU64,
    failures: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Somebody waits for what is there, or it is enough: no further gathering.
    is_urgent: bool,
    is_closing: bool,
    has_ended: bool,
}

impl LogQueue {
    /// Queues one line, its end included. Never waits for the output.
    pub(crate) fn push(&self, line: &[u8], is_important: bool) {
        let limit = if is_important { QUEUE_BYTES } else { QUEUE_BYTES - RESERVED_BYTES };
        let mut state = self.0.lock();
        if state.waiting.len() + line.len() > limit || state.has_ended {
            self.0.is_full.store(true, Ordering::Relaxed);
            drop(state);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        let is_urgent = is_important || state.waiting.len() >= GATHER_BYTES;
        let wakes = was_empty || (is_urgent && !state.is_urgent);
        state.is_urgent |= is_urgent;
        drop(state);
        if wakes {
            self.0.changed.notify_all();
        }
    }

    /// Is there no room for an ordinary line? Then the line is counted as dropped, and need not be made at all: a flood
    /// costs next to nothing.
    pub(crate) fn drops(&self) -> bool {
        let is_full = self.0.is_full.load(Ordering::Relaxed);
        if is_full {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_full
    }

    /// Waits, at most so long, until everything that was queued before is written.
    pub(crate) fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut state = self.0.lock();
        state.is_urgent = true;
        self.0.changed.notify_all();
        while (state.is_writing || !state.waiting.is_empty()) && !state.has_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lines dropped because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Times that the output refused what was to be written.
    pub(crate) fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is there and takes all of it; nothing once the queue is closed and empty.
    fn take(&self, spare: Vec<u8>) -> Option<Vec<u8>> {
        let mut state = self.lock();
        state.is_writing = false;
        if state.waiting.is_empty() {
            self.changed.notify_all();
        }
        while state.waiting.is_empty() {
            if state.is_closing {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GATHER_PAUSE;
        while !state.is_urgent && !state.is_closing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_urgent = false;
        state.is_writing = true;
        self.is_full.store(false, Ordering::Relaxed);
        Some(std::mem::replace(&mut state.waiting, spare))
    }

    /// Waits before the next try; says whether there is to be one.
    fn pause(&self) -> bool {
        let until = Instant::now() + RETRY_PAUSE;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.is_closing || left.is_zero() {
                return !state.is_closing;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Writes what waits, and ends the thread, when it is dropped.
pub(crate) struct LogGuard {
    shared: Arc<Shared>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        let mut state = self.shared.lock();
        state.is_closing = true;
        self.shared.changed.notify_all();
        while !state.has_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return; // an output that hangs must not hold up the end
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Starts the thread that writes.
pub(crate) fn start(
    mut output: Box<dyn Output>,
    notice: impl Fn(u64) -> Vec<u8> + Send + 'static,
) -> io::Result<(LogQueue, LogGuard)> {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        changed: Condvar::new(),
        is_full: AtomicBool::new(false),
        dropped: AtomicU64::new(0),
        failures: AtomicU64::new(0),
    });
    let writing = Arc::clone(&shared);
    thread::Builder::new().name("golive-log".to_owned()).spawn(move || {
        // Whoever answers a request when there is something to write goes on first.
        super::priority::without_preempting();
        write_all(&writing, output.as_mut(), &notice);
        writing.lock().has_ended = true;
        writing.changed.notify_all();
    })?;
    Ok((LogQueue(Arc::clone(&shared)), LogGuard { shared }))
}

/// Writes batch after batch until the queue is closed and empty.
fn write_all(shared: &Shared, output: &mut dyn Output, notice: &dyn Fn(u64) -> Vec<u8>) {
    let (mut spare, mut told) = (Vec::new(), 0);
    while let Some(mut batch) = shared.take(spare) {
        let lost = write_batch(shared, output, &batch);
        shared.dropped.fetch_add(lost, Ordering::Relaxed);
        let dropped = shared.dropped.load(Ordering::Relaxed);
        if dropped > told {
            write_batch(shared, output, &notice(dropped - told));
            told = dropped;
        }
        batch.clear();
        spare = batch;
    }
}

/// Writes one batch, however often it takes: a disk that is full may have room in a moment, and meanwhile lines wait in
/// the queue. At the end of the program there is one more try. Says how many lines it had to leave.
fn write_batch(shared: &Shared, output: &mut dyn Output, batch: &[u8]) -> u64 {
    let mut rest = batch;
    loop {
        let (written, outcome) = output.write_lines(rest);
        rest = &rest[written..];
        if outcome.is_ok() && rest.is_empty() {
            return 0;
        }
        shared.failures.fetch_add(1, Ordering::Relaxed);
        if !shared.pause() {
            let (written, _) = output.write_lines(rest);
            return rest[written..].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Disk {
        bytes: Arc<Mutex<Vec<u8>>>,
        is_full: Arc<AtomicBool>,
    }

    impl Disk {
        fn text(&self) -> String {
            String::from_utf8(self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
        }
    }

    impl Output for Disk {
        fn write_lines(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
            if self.is_full.load(Ordering::SeqCst) {
                return (0, Err(io::ErrorKind::StorageFull.into()));
            }
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
            (lines.len(), Ok(()))
        }
    }

    fn notice(count: u64) -> Vec<u8> {
        format!("dropped {count}\n").into_bytes()
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(20), "still not: {what}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_full_disk_holds_lines_up_drops_beyond_the_bound_and_says_how_many() {
        let disk = Disk::default();
        disk.is_full.store(true, Ordering::SeqCst);
        let (queue, guard) = start(Box::new(disk.clone()), notice).unwrap();
        queue.push(b"first\n", false);
        until("the first batch was refused", || queue.failures() > 0);
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let lines = QUEUE_BYTES / line.len() + 100;
        let began = Instant::now();
        for _ in 0..lines {
            queue.push(&line, false);
        }
        // Nobody waited for the disk, which never came back in this time.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let fitting = (QUEUE_BYTES - RESERVED_BYTES) / line.len();
        assert_eq!(queue.dropped(), (lines - fitting) as u64);
        assert!(queue.drops() && queue.dropped() == (lines - fitting + 1) as u64);
        queue.push(b"an error\n", true);
        disk.is_full.store(false, Ordering::SeqCst);
        drop(guard);
        let text = disk.text();
        assert!(text.starts_with("first\n"));
        assert_eq!(text.matches("xxx\n").count(), fitting);
        assert!(text.contains("an error\n"), "the reserve is for what matters");
        assert!(text.contains(&format!("dropped {}\n", lines - fitting + 1)));
    }

    #[test]
    fn a_disk_that_stays_full_does_not_hold_up_the_end() {
        let disk = Disk::default();
        disk.is_full.store(true, Ordering::SeqCst);
        let (queue, guard) = start(Box::new(disk), notice).unwrap();
        queue.push(b"one\ntwo\n", true);
        let began = Instant::now();
        drop(guard);
        assert!(began.elapsed() < CLOSE_TIMEOUT, "{:?}", began.elapsed());
        assert_eq!(queue.dropped(), 2);
        queue.push(b"late\n", true);
        assert_eq!(queue.dropped(), 3, "what comes after the end is counted, too");
    }
}
