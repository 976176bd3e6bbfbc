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
    let is_usual = rustix::process::getpriority_process(None).is_ok_and(|niceness| niceness == 0);
    if let Some(priority) = NO_NICENESS.try_into().ok().filter(|_| is_usual) {
        let policy = ThreadSchedulePolicy::Normal(policy);
        let _ = set_thread_priority_and_policy(
            thread_native_id(),
            ThreadPriority::Crossplatform(priority),
            policy,
        );
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    /// Niceness and policy of this thread: fields 19 and 41 of proc(5).
    fn own() -> (i32, u32) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (after[16].parse().unwrap(), after[38].parse().unwrap())
    }

    /// What a new thread is after `act`.
    fn after(act: fn()) -> (i32, u32) {
        let thread = std::thread::spawn(move || {
            act();
            own()
        });
        thread.join().unwrap()
    }

    #[test]
    fn each_thread_gives_way_alone_and_its_niceness_stays() {
        let (niceness, usual) = own();
        let changed = |policy| if niceness == 0 { policy } else { usual };
        assert_eq!(after(without_preempting), (niceness, changed(3)), "SCHED_BATCH");
        assert_eq!(after(only_when_idle), (niceness, changed(5)), "SCHED_IDLE");
        assert_eq!(own(), (niceness, usual));
    }
}
