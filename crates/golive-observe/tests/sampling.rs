//! Which traces reach a collector, and what the next service is told of that; errors are logged whatever becomes of traces.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail like the test itself")]

use std::collections::BTreeSet;

use golive_observe::read_error_journal;
use golive_sandbox::Sink;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

mod support;

use support::{Service, lines, to};

/// What became of requests whose callers had chosen their trace, had left theirs out, or had none.
struct Seen {
    /// The flag that the next service was told, in the same order.
    flags: Vec<String>,
    /// Traces that reached the collector, by their ids.
    exported: BTreeSet<String>,
    /// Those of the two callers.
    chosen: String,
    left_out: String,
    /// Error lines in the log, and errors in the journal.
    errors: (usize, usize),
}

fn run(sampler: &str, ratio: &str) -> Seen {
    let sink = Sink::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("errors.jsonl");
    let service = Service::start(&[
        format!("otlp={}", sink.url()),
        format!("sampler={sampler}"),
        format!("sampler_arg={ratio}"),
        format!("journal={}", journal.display()),
    ]);
    let (chosen, left_out) = ("4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4737");
    let callers = [Some((chosen, "01")), Some((left_out, "00")), None];
    let ask = |caller: Option<(&str, &str)>| {
        let mut request = service.client.get(service.url("/outgoing"));
        if let Some((trace, flag)) = caller {
            request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-{flag}"));
        }
        let told = request.send().unwrap().text().unwrap();
        assert!(caller.is_none_or(|(trace, _)| told.contains(trace)), "{told}");
        told.rsplit('-').next().unwrap().to_owned()
    };
    let flags = callers.map(ask).to_vec();
    assert_eq!(service.get("/fail").status(), 500);
    let output = service.finish();
    let errors = lines(&output).iter().filter(|line| line["message"] == "order lost").count();
    let exported = to(&sink.received(), "/v1/traces")
        .into_iter()
        .flat_map(|request| {
            ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap().resource_spans
        })
        .flat_map(|group| group.scope_spans)
        .flat_map(|scope| scope.spans)
        .map(|span| span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    Seen {
        flags,
        exported,
        chosen: chosen.to_owned(),
        left_out: left_out.to_owned(),
        errors: (errors, read_error_journal(&journal).unwrap().len()),
    }
}

#[test]
fn a_callers_decision_goes_before_our_share() {
    let none = run("parentbased_traceidratio", "0");
    assert_eq!(none.flags, ["01", "00", "00"], "what begins here is left out, and the next service is told");
    assert_eq!(none.exported, BTreeSet::from([none.chosen]));
    assert_eq!(none.errors, (1, 1), "an error is logged and kept although its trace is not exported");

    let all = run("parentbased_traceidratio", "1");
    assert_eq!(all.flags, ["01", "00", "01"]);
    assert!(all.exported.contains(&all.chosen) && !all.exported.contains(&all.left_out));
    assert!(all.exported.len() >= 3, "the chosen one, and those of two requests that began here");
    assert_eq!(all.errors, (1, 1));
}

#[test]
fn a_share_that_follows_nobody_decides_alone() {
    let none = run("traceidratio", "0");
    assert_eq!((none.flags.concat().as_str(), none.exported.len()), ("000000", 0));
    assert_eq!(none.errors, (1, 1));
    let all = run("always_on", "");
    assert_eq!(all.flags.concat(), "010101");
    assert!(all.exported.contains(&all.left_out), "it is taken although its caller left it out");
}
