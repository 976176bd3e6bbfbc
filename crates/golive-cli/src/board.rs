//! Shows a run while it goes on: a live board on a terminal, plain lines elsewhere. Always on stderr.
//!
//! Not here: the report, which is a document and goes to stdout.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use golive::{Event, Observer};
use golive_gate::{StepResult, StepStatus};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Global;
use crate::output;

/// What is shown of a run.
pub(crate) struct Board {
    quiet: bool,
    live: Option<MultiProgress>,
    bars: Mutex<BTreeMap<&'static str, ProgressBar>>,
}

impl Board {
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = std::io::stderr().is_terminal() && !global.quiet;
        let live = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { quiet: global.quiet, live, bars: Mutex::default() }
    }

    /// What the run tells its events to.
    pub(crate) fn observer(board: &Arc<Self>) -> Observer {
        let board = Arc::clone(board);
        Arc::new(move |event| board.show(event))
    }

    /// Takes the live part away, leaving the lines.
    pub(crate) fn clear(&self) {
        if let Some(live) = &self.live {
            let _ = live.clear();
        }
    }

    fn show(&self, event: Event) {
        if self.quiet {
            return;
        }
        match event {
            Event::StepStarted { step, phase, title } => self.begin(step, phase, title),
            Event::Progress { step, item, done, total, per_second } => {
                self.move_on(step, &progress_text(&item, done, total, per_second));
            }
            Event::StepEnded { result } => self.end(&result),
            Event::Note { text } => self.line(&format!("    {text}")),
            _ => {}
        }
    }

    fn begin(&self, step: &'static str, phase: u8, title: &str) {
        let Some(live) = &self.live else { return };
        let style = ProgressStyle::with_template("  {spinner} {prefix:<18} {wide_msg} {elapsed:.dim}")
            .expect("a constant template");
        let bar = live.add(ProgressBar::new_spinner().with_style(style));
        bar.set_prefix(step);
        bar.set_message(format!("phase {phase} · {title}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.bars.lock().expect("no panic holds the board").insert(step, bar);
    }

    fn move_on(&self, step: &'static str, text: &str) {
        if let Some(bar) = self.bars.lock().expect("no panic holds the board").get(step) {
            bar.set_message(text.to_owned());
        }
    }

    fn end(&self, result: &StepResult) {
        if let Some(bar) = self.bars.lock().expect("no panic holds the board").remove(result.id.as_str()) {
            bar.finish_and_clear();
        }
        self.line(&end_text(result));
    }

    fn line(&self, text: &str) {
        match &self.live {
            Some(live) => {
                let _ = live.println(text);
            }
            None => output::complain(text),
        }
    }
}

fn progress_text(item: &str, done: u64, total: Option<u64>, per_second: Option<f64>) -> String {
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    let rate = per_second.map(|rate| format!(" · {rate:.0}/s")).unwrap_or_default();
    format!("{item} {done}{of}{rate}")
}

pub(crate) fn end_text(result: &StepResult) -> String {
    let mark = match result.status {
        StepStatus::Passed => "✓",
        StepStatus::Failed => "✗",
        StepStatus::Skipped => "-",
        StepStatus::Planned => "·",
        _ => "?",
    };
    let mut text = format!("  {mark} {:<18} {:>7.2} s  {}", result.id, result.seconds, result.title);
    for why in result.error.iter().chain(&result.reason) {
        text.push_str("\n      ");
        text.push_str(why);
    }
    text
}
