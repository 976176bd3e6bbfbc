//! How the threads of the log give way to those that answer requests, by the policies of sched(7). Where that is refused,
//! or the system is another, they do not, and nothing is lost.

#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// What the library takes for a niceness of 0, on its scale from 0 to 99.
#[cfg(target_os = "linux")]
const NO_NICENESS: u8 = 47;

/// This thread has its share of the processor, but takes it from nobody the moment it wakes.
pub(super) fn without_preempting() {
    #[cfg(target_os = "linux")]
    set(NormalThreadSchedulePolicy::Batch);
}

/// This thread has the processor when nobody else wants it, and is off it at once when somebody does; with a niceness
/// alone it would finish its slice first, while requests wait.
pub(super) fn only_when_idle() {
    #[cfg(target_os = "linux")]
    set(NormalThreadSchedulePolicy::Idle);
}

#[cfg(target_os = "linux")]
fn set(policy: NormalThreadSchedulePolicy) {
    // The library sets the niceness, too; whoever gave the service one of its own keeps it.
    if rustix::process::getpriority_process(None) != Ok(0) {
        return;
    }
    let priority = ThreadPriority::Crossplatform(NO_NICENESS.try_into().expect("it is on the scale"));
    let _ =
        set_thread_priority_and_policy(thread_native_id(), priority, ThreadSchedulePolicy::Normal(policy));
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};
    use std::{fs, thread};

    use super::*;
    use crate::{LogFile, LogTarget};

    const BATCH: u32 = 3;
    const IDLE: u32 = 5;

    /// Niceness and policy of a thread: fields 19 and 41 of proc(5).
    fn of(thread: &Path) -> Option<(i32, u32)> {
        let stat = fs::read_to_string(thread.join("stat")).ok()?;
        let after: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some((after[16].parse().ok()?, after[38].parse().ok()?))
    }

    fn own() -> (i32, u32) {
        of(Path::new("/proc/thread-self")).unwrap()
    }

    /// What a new thread is after `act`.
    fn after(act: fn()) -> (i32, u32) {
        let thread = thread::spawn(move || {
            act();
            own()
        });
        thread.join().unwrap()
    }

    #[test]
    fn each_thread_gives_way_alone_and_its_niceness_stays() {
        let (niceness, usual) = own();
        let changed = |policy| if niceness == 0 { policy } else { usual };
        assert_eq!(after(without_preempting), (niceness, changed(BATCH)));
        assert_eq!(after(only_when_idle), (niceness, changed(IDLE)));
        assert_eq!(own(), (niceness, usual));
    }

    #[test]
    fn the_threads_of_a_log_file_give_way() {
        let (niceness, usual) = own();
        let directory = tempfile::tempdir().unwrap();
        let target = LogTarget::File(LogFile::new(directory.path().join("app.log")));
        let (_queue, _guard) = super::super::open(&target, |_| Vec::new()).unwrap();
        let threads = [("golive-log\n", BATCH), ("golive-log-file\n", IDLE)];
        let has = |name: &str, expected: u32| {
            let named = fs::read_dir("/proc/self/task").unwrap().filter_map(|entry| {
                let thread = entry.ok()?.path();
                (fs::read_to_string(thread.join("comm")).ok()? == name).then(|| of(&thread))?
            });
            named.into_iter().any(|(_, policy)| policy == if niceness == 0 { expected } else { usual })
        };
        let began = Instant::now();
        while !threads.iter().all(|(name, policy)| has(name, *policy)) {
            assert!(began.elapsed() < Duration::from_secs(20), "a thread of the log does not give way");
            thread::yield_now();
        }
    }
}
