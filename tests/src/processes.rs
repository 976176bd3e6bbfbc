//! Looks at `/proc`: who still runs, and what everybody's command line says.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The processes that belong to `root`: it stands in their command line, their environment, or is where they work.
///
/// The test's own process is not one of them.
#[must_use]
pub fn leftovers(root: &Path) -> Vec<(u32, String)> {
    let needle = root.to_string_lossy();
    let own = std::process::id();
    let mut found = Vec::new();
    for pid in pids().filter(|pid| *pid != own) {
        let place = format!("/proc/{pid}");
        let line = command_line(pid).unwrap_or_default();
        let environment = std::fs::read(format!("{place}/environ")).unwrap_or_default();
        let links = ["cwd", "exe"].map(|name| std::fs::read_link(format!("{place}/{name}")).ok());
        let named = line.contains(&*needle)
            || String::from_utf8_lossy(&environment).contains(&*needle)
            || links.iter().flatten().any(|path| path.starts_with(root));
        if named {
            found.push((pid, line));
        }
    }
    found
}

/// Kills what belongs to `root`.
pub(crate) fn end_leftovers(root: &Path) {
    for (pid, _) in leftovers(root) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Collects every command line that any process of the machine has while the watch lasts.
pub struct CommandLineWatch {
    stop: Sender<()>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl CommandLineWatch {
    /// Begins to watch.
    #[must_use]
    pub fn start() -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            loop {
                seen.extend(pids().filter_map(command_line));
                match stopped.recv_timeout(GLANCE) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return seen,
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends the watch and returns what was seen.
    ///
    /// # Panics
    /// When the watching thread did.
    #[must_use]
    pub fn end(self) -> BTreeSet<String> {
        drop(self.stop);
        self.thread.join().expect("the watch only reads")
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("these tests run where /proc is");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The arguments, one space between two; nothing for a process that is gone or of the kernel.
fn command_line(pid: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    (!text.is_empty()).then_some(text)
}

/// Short-lived helpers must be seen too.
const GLANCE: Duration = Duration::from_millis(4);
