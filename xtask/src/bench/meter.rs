//! Runs a program and looks at it and at a server while it runs: seconds, processor seconds, peak memory. The figures are
//! the kernel's own, read every few milliseconds, so that a program's phases can be told apart afterwards.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::{Failure, cannot_start};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// USER_HZ, which Linux never changed.
const TICKS_A_SECOND: f64 = 100.0;

/// What some work took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    pub(crate) client_cpu_seconds: f64,
    pub(crate) server_cpu_seconds: f64,
    pub(crate) client_peak_kib: u64,
    pub(crate) server_peak_kib: u64,
}

/// A program that ran.
pub(crate) struct Measured {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: f64,
    client_cpu: f64,
    server_cpu: f64,
    client_peak_kib: u64,
    server_peak_kib: u64,
}

impl Measured {
    /// From its start to its end.
    pub(crate) fn whole(&self) -> Usage {
        self.between(0.0, f64::INFINITY)
    }

    /// The seconds that lie so far before its end.
    pub(crate) fn before_end(&self, from: f64, to: f64) -> Usage {
        let end = self.samples.last().map_or(0.0, |sample| sample.at);
        let mut usage = self.between(end - from, end - to);
        usage.seconds = from - to;
        usage
    }

    fn between(&self, from: f64, to: f64) -> Usage {
        let at =
            |time: f64| self.samples.iter().rev().find(|sample| sample.at <= time).or(self.samples.first());
        let (Some(first), Some(last)) = (at(from), at(to)) else { return Usage::default() };
        Usage {
            seconds: last.at - first.at,
            client_cpu_seconds: last.client_cpu - first.client_cpu,
            server_cpu_seconds: last.server_cpu - first.server_cpu,
            client_peak_kib: last.client_peak_kib,
            server_peak_kib: last.server_peak_kib,
        }
    }
}

/// Runs it to its end.
pub(crate) fn measure(mut program: Command, server: u32) -> Result<Measured, Failure> {
    // So that the server's peak is this work's; without the right to do so it is the highest since its start.
    let _ = fs::write(format!("/proc/{server}/clear_refs"), "5");
    program.stdin(Stdio::null()).stdout(Stdio::piped());
    let start = Instant::now();
    let first = look(0.0, None, server);
    let mut child = program.spawn().map_err(|error| cannot_start(&program, &error))?;
    let mut pipe = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let read = pipe.as_mut().map_or(Ok(0), |pipe| pipe.read_to_string(&mut text));
        read.map(|_| text)
    });
    let mut samples = vec![first];
    while !has_ended(child.id()) {
        samples.push(look(start.elapsed().as_secs_f64(), Some(child.id()), server));
        thread::sleep(LOOK_EVERY);
    }
    // Ended and not yet waited for: the kernel still knows its processor time, and its peak no more.
    let mut last = look(start.elapsed().as_secs_f64(), Some(child.id()), server);
    last.client_peak_kib = samples.iter().map(|sample| sample.client_peak_kib).max().unwrap_or(0);
    samples.push(last);
    let status = child.wait().map_err(|error| cannot_start(&program, &error))?;
    let stdout = reader.join().ok().and_then(Result::ok);
    let stdout =
        stdout.ok_or_else(|| Failure::out_of_reach("a program printed what is not text".to_owned()))?;
    Ok(Measured { code: status.code(), stdout, samples })
}

fn look(at: f64, client: Option<u32>, server: u32) -> Sample {
    Sample {
        at,
        client_cpu: client.map_or(0.0, cpu_seconds),
        server_cpu: cpu_seconds(server),
        client_peak_kib: client.map_or(0, peak_kib),
        server_peak_kib: peak_kib(server),
    }
}

fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    fields(&stat).first().is_none_or(|state| *state == "Z")
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    cpu_of(&stat)
}

fn cpu_of(stat: &str) -> f64 {
    let ticks = |at: usize| fields(stat).get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime of proc_pid_stat(5), whose state is its third field, and those of the programs that it ran and
    // waited for: a pipe's shell does nothing itself.
    (11..=14).map(ticks).sum::<f64>() / TICKS_A_SECOND
}

/// What follows the program's name, which may hold spaces and parentheses.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(") ").map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    peak_of(&status)
}

fn peak_of(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat = "17 (a (b) c) S 1 17 17 0 -1 4194560 1 2 3 4 200 50 40 10 20 0 1 0 100 1 1";
        assert!((cpu_of(stat) - 3.0).abs() < 1e-9);
        assert_eq!(peak_of("VmPeak:\t  99 kB\nVmHWM:\t    1234 kB\n"), 1234);
        assert_eq!(peak_of(""), 0);
    }

    #[test]
    fn a_phase_is_cut_out_of_the_whole() {
        let sample = |at: f64| Sample {
            at,
            client_cpu: at / 2.0,
            server_cpu: at,
            client_peak_kib: at as u64,
            server_peak_kib: 7,
        };
        let samples = (0..=10).map(|second| sample(f64::from(second))).collect();
        let measured = Measured { code: Some(0), stdout: String::new(), samples };
        let phase = measured.before_end(6.0, 2.0);
        assert!((phase.seconds - 4.0).abs() < 1e-9 && (phase.client_cpu_seconds - 2.0).abs() < 1e-9);
        assert_eq!(phase.client_peak_kib, 8);
        assert!((measured.whole().seconds - 10.0).abs() < 1e-9);
    }
}
