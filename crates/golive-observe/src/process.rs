//! What the system knows about this process: memory, processor time, open files, start. Read from `/proc` at every
//! scrape; where there is none (macOS) these numbers are left out.

use std::fs;

use opentelemetry::metrics::Meter;

/// The kernel reports processor time in this unit to every program, whatever its own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds the numbers of the process to the meter.
pub(crate) fn register(meter: &Meter) {
    gauge(meter, "process.resident_memory", "By", "Memory held in RAM.", resident_bytes);
    gauge(meter, "process.open_fds", "", "Open file descriptors.", open_files);
    gauge(meter, "process.start_time", "s", "When the process started, as Unix time.", start_time);
    let cpu = meter.f64_observable_counter("process.cpu").with_unit("s");
    cpu.with_description("Processor time used, user and system.")
        .with_callback(|observer| {
            if let Some(seconds) = cpu_seconds() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
}

fn gauge(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: fn() -> Option<f64>,
) {
    meter
        .f64_observable_gauge(name)
        .with_unit(unit)
        .with_description(help)
        .with_callback(move |observer| {
            if let Some(value) = read() {
                observer.observe(value, &[]);
            }
        })
        .build();
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn open_files() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

fn cpu_seconds() -> Option<f64> {
    Some((stat_field(14)? + stat_field(15)?) / TICKS_PER_SECOND)
}

fn start_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + stat_field(22)? / TICKS_PER_SECOND)
}

/// A field of `/proc/self/stat`, numbered from 1 as in proc(5). The second one, the name, may contain spaces.
fn stat_field(number: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(number - 3)?.parse().ok()
}
