//! Several generators, one load: over real connections, with what goes over them looked at on the way.
#![allow(clippy::unwrap_used, reason = "a test stops at the first trouble")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use golive_load::{
    Agent, AgentError, AgentEvent, AgentTls, Agents, LoadPlan, LoadReport, PublicTargetConfirmation,
    RequestTemplate, Scenario, ScenarioKind, StopReason, Verdict, run_with_agents, serve_agent,
};
use golive_sandbox::CertificateAuthority;
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

const TOKEN: &str = "a token that is long enough";

/// Who asked for which number, and when.
type Seen = Arc<Mutex<Vec<(u32, u64, Instant)>>>;

async fn application() -> (Seen, Url) {
    let seen = Seen::default();
    let answer = async |State(seen): State<Seen>, Path((user, sequence)): Path<(u32, u64)>| {
        seen.lock().unwrap().push((user, sequence, Instant::now()));
        // Times that differ, so that percentiles do.
        tokio::time::sleep(Duration::from_micros(500 * (sequence % 20))).await;
    };
    let router = Router::new().route("/{user}/{sequence}", get(answer)).with_state(Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (seen, url)
}

struct Running {
    address: SocketAddr,
    events: mpsc::UnboundedReceiver<AgentEvent>,
    task: tokio::task::JoinHandle<Result<(), AgentError>>,
}

async fn start(change: impl FnOnce(&mut Agent)) -> Running {
    let mut agent = Agent::new("127.0.0.1:0".parse().unwrap(), SecretString::from(TOKEN));
    change(&mut agent);
    let (say, mut events) = mpsc::unbounded_channel();
    let observer = Arc::new(move |event| drop(say.send(event)));
    let task = tokio::spawn(async move { serve_agent(agent, observer, &CancellationToken::new()).await });
    let AgentEvent::Listening(address) = events.recv().await.unwrap() else { panic!("it does not listen") };
    Running { address, events, task }
}

fn agents(addresses: &[SocketAddr]) -> Agents {
    Agents::new(addresses.iter().map(SocketAddr::to_string).collect(), SecretString::from(TOKEN))
}

fn scenario() -> Scenario {
    let mut scenario =
        Scenario::new("s", ScenarioKind::Dashboard, RequestTemplate::get("/{user}/{sequence}"));
    scenario.request.route = Some("number".into());
    scenario.users = 5;
    scenario
}

fn plan(url: &Url, scenario: Scenario) -> LoadPlan {
    let mut plan = LoadPlan::new(url.clone(), vec![scenario]);
    plan.warm_up = Duration::ZERO;
    plan.duration = Duration::from_millis(2500);
    plan
}

async fn run(plan: &LoadPlan, agents: &Agents) -> Result<LoadReport, AgentError> {
    run_with_agents(plan, agents, &|_| {}, &CancellationToken::new(), None).await
}

/// Passes everything on, and keeps what the agent said.
async fn tapped(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let keep = Arc::clone(&kept);
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let (mut from, mut back) = near.into_split();
        let (mut answers, mut asks) = TcpStream::connect(to).await.unwrap().into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from, &mut asks).await });
        let mut part = vec![0; 64 * 1024];
        loop {
            let length = answers.read(&mut part).await.unwrap_or(0);
            if length == 0 {
                return;
            }
            keep.lock().unwrap().extend_from_slice(&part[..length]);
            back.write_all(&part[..length]).await.unwrap();
        }
    });
    (address, kept)
}

/// The times that an agent told, in microseconds, and their counts.
fn told(bytes: &[u8], into: &mut BTreeMap<u64, u64>) {
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (message, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        rest = after;
        let message: Value = serde_json::from_slice(message).unwrap();
        for tally in message["seen"]["tallies"].as_array().into_iter().flatten() {
            for bucket in tally["response"].as_array().unwrap() {
                *into.entry(bucket[0].as_u64().unwrap()).or_default() += bucket[1].as_u64().unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_are_one_load_and_their_percentiles_are_those_of_the_union() {
    let (seen, url) = application().await;
    let (one, two) = (start(|_| {}).await, start(|_| {}).await);
    let ((first, said_first), (second, said_second)) = (tapped(one.address).await, tapped(two.address).await);
    let mut scenario = scenario();
    (scenario.users, scenario.arrivals_per_second) = (64, Some(300.0));
    let mut plan = plan(&url, scenario);
    plan.thresholds =
        vec!["http.requests.count >= 750".parse().unwrap(), "http.requests.count <= 750".parse().unwrap()];
    let report = run(&plan, &agents(&[first, second])).await.unwrap();
    assert_eq!(
        (report.requests, report.errors, report.stopped),
        (750, 0, StopReason::Duration),
        "{report:?}"
    );
    assert!(report.thresholds.iter().all(|judged| judged.actual == Some(750.0)), "{:?}", report.thresholds);

    // One schedule dealt out: each arrival once, half by either, each by users of its own.
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().map(|(_, sequence, _)| *sequence).collect::<BTreeSet<_>>(), (0..750).collect());
    assert_eq!(seen.len(), 750);
    assert!(seen.iter().all(|(user, sequence, _)| u64::from(*user) % 2 == sequence % 2));
    let first_of =
        |part| seen.iter().filter(|(user, _, _)| user % 2 == part).map(|(_, _, at)| *at).min().unwrap();
    let apart = first_of(1)
        .saturating_duration_since(first_of(0))
        .max(first_of(0).saturating_duration_since(first_of(1)));
    assert!(apart < Duration::from_millis(500), "they began {apart:?} apart");

    let mut union = BTreeMap::new();
    told(&said_first.lock().unwrap(), &mut union);
    told(&said_second.lock().unwrap(), &mut union);
    assert_eq!(union.values().sum::<u64>(), 750);
    assert_eq!(report.scenarios[0].distribution, union.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
    let latency = report.scenarios[0].response.unwrap();
    let at = |quantile: f64| {
        let rank = (quantile * 750.0).ceil() as u64;
        let mut before = 0;
        let bucket = union.iter().find(|(_, count)| {
            before += **count;
            before >= rank
        });
        Duration::from_micros(*bucket.unwrap().0).as_secs_f64() * 1000.0
    };
    for (told, quantile) in [
        (latency.p50_ms, 0.5),
        (latency.p90_ms, 0.9),
        (latency.p95_ms, 0.95),
        (latency.p99_ms, 0.99),
        (latency.p999_ms, 0.999),
        (latency.max_ms, 1.0),
    ] {
        assert!((told - at(quantile)).abs() < 1e-9, "p{quantile}: {told} is not {}", at(quantile));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_is_told_and_the_verdict_is_unknown() {
    let (seen, url) = application().await;
    let (one, two) = (start(|_| {}).await, start(|_| {}).await);
    let mut scenario = scenario();
    scenario.think_time = Duration::from_millis(5);
    let mut plan = plan(&url, scenario);
    plan.thresholds = vec!["http.requests.count >= 1".parse().unwrap()];
    let (task, dead) = (two.task, two.address);
    let killing = async {
        // Once both parts have sent something.
        while seen.lock().unwrap().iter().map(|(user, _, _)| user % 2).collect::<BTreeSet<_>>().len() < 2 {
            tokio::task::yield_now().await;
        }
        task.abort();
        Instant::now()
    };
    let both = agents(&[one.address, dead]);
    let (report, died) = tokio::join!(run(&plan, &both), killing);
    let report = report.unwrap();
    assert_eq!((report.stopped, report.verdict()), (StopReason::Duration, Verdict::Unknown));
    assert!(
        report.inconclusive.iter().any(|why| why.contains(&format!("agent {dead} was lost"))),
        "{:?}",
        report.inconclusive
    );
    // The other one went on to the end.
    let last =
        seen.lock().unwrap().iter().filter(|(user, _, _)| user % 2 == 0).map(|(_, _, at)| *at).max().unwrap();
    assert!(last > died + Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_stops_when_its_coordinator_is_gone_and_when_told_to() {
    let (seen, url) = application().await;
    let mut one = start(|_| {}).await;
    let mut scenario = scenario();
    scenario.think_time = Duration::from_millis(20);
    let mut plan = plan(&url, scenario);
    plan.duration = Duration::from_secs(3600);
    plan.max_requests = 10_000_000;
    let some = async || {
        let before = seen.lock().unwrap().len();
        while seen.lock().unwrap().len() < before + 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let alone = agents(&[one.address]);
    tokio::select! {
        ended = run(&plan, &alone) => panic!("{ended:?}"),
        () = some() => {}
    }
    assert!(matches!(one.events.recv().await.unwrap(), AgentEvent::Begins { .. }));
    assert!(matches!(one.events.recv().await.unwrap(), AgentEvent::Ended { .. }));

    let cancel = CancellationToken::new();
    let quiet = |_: golive_load::Progress| {};
    let (report, ()) = tokio::join!(run_with_agents(&plan, &alone, &quiet, &cancel, None), async {
        some().await;
        cancel.cancel();
    });
    let report = report.unwrap();
    assert_eq!((report.stopped, report.verdict()), (StopReason::Canceled, Verdict::Unknown));
    assert!(report.requests > 0, "what was measured is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_token_is_heard_and_only_named_hosts_are_loaded() {
    let (seen, url) = application().await;
    let mut one = start(|_| {}).await;
    let plan_here = plan(&url, scenario());
    let mut wrong = agents(&[one.address]);
    wrong.token = SecretString::from("a token that is not the one");
    let error = run(&plan_here, &wrong).await.unwrap_err().to_string();
    assert!(
        error.contains("the token is not the one of this agent") && !error.contains("that is not"),
        "{error}"
    );
    let AgentEvent::TurnedAway { why, .. } = one.events.recv().await.unwrap() else { panic!("it let it in") };
    assert!(!why.contains("a token that"), "{why}");

    // What the coordinator confirms does not count at the agent.
    let mut elsewhere = plan(&Url::parse("http://192.0.2.1/").unwrap(), scenario());
    elsewhere.dangerous_public_target = Some(PublicTargetConfirmation::dangerous_i_may_overload("192.0.2.1"));
    let error = run(&elsewhere, &agents(&[one.address])).await.unwrap_err().to_string();
    assert!(error.contains("192.0.2.1") && error.contains("not this machine"), "{error}");

    let weak = Agents::new(vec![one.address.to_string()], SecretString::from("short"));
    assert!(matches!(run(&plan_here, &weak).await, Err(AgentError::WeakToken)));
    let mut open = Agent::new("0.0.0.0:0".parse().unwrap(), SecretString::from(TOKEN));
    let quiet = Arc::new(|_| {});
    let refused = serve_agent(open, quiet.clone(), &CancellationToken::new()).await;
    assert!(matches!(refused, Err(AgentError::NeedsTls { .. })));
    open = Agent::new("127.0.0.1:0".parse().unwrap(), SecretString::from("short"));
    assert!(matches!(serve_agent(open, quiet, &CancellationToken::new()).await, Err(AgentError::WeakToken)));
    assert!(matches!(run(&plan_here, &agents(&[])).await, Err(AgentError::Plan(_))));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_little_time_and_less_memory() {
    let mut one = start(|_| {}).await;
    // A hello that promises gigabytes, one that is a plan, and silence.
    let mut large = TcpStream::connect(one.address).await.unwrap();
    large.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    assert_eq!(large.read(&mut [0; 16]).await.unwrap_or(0), 0);
    let mut early = TcpStream::connect(one.address).await.unwrap();
    early.write_all(b"\0\0\0\x06\"ping\"").await.unwrap();
    let mut answer = Vec::new();
    early.read_to_end(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("must be a hello"));
    let mut silent = TcpStream::connect(one.address).await.unwrap();
    let began = Instant::now();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert!(began.elapsed() < Duration::from_secs(20));
    for _ in 0..3 {
        assert!(matches!(one.events.recv().await.unwrap(), AgentEvent::TurnedAway { .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_only_a_known_authority_believed() {
    let (_, url) = application().await;
    let authority = CertificateAuthority::new("agents").unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).unwrap();
    let key = SecretString::from(certificate.expose_key_pem().to_owned());
    let one = start(|agent| agent.tls = Some(AgentTls::new(certificate.certificate_pem.clone(), key))).await;
    let mut plan = plan(&url, scenario());
    plan.duration = Duration::from_millis(300);
    let mut known = agents(&[one.address]);
    known.authority_pem = Some(authority.certificate_pem().to_owned());
    let report = run(&plan, &known).await.unwrap();
    assert!(report.requests > 10 && report.errors == 0, "{report:?}");

    let other = CertificateAuthority::new("others").unwrap();
    let mut unknown = agents(&[one.address]);
    unknown.authority_pem = Some(other.certificate_pem().to_owned());
    assert!(matches!(run(&plan, &unknown).await, Err(AgentError::Agent { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_for_one_at_a_time() {
    let (seen, url) = application().await;
    let one = start(|_| {}).await;
    let mut scenario = scenario();
    scenario.think_time = Duration::from_millis(20);
    let mut plan = plan(&url, scenario);
    plan.duration = Duration::from_secs(3600);
    let alone = agents(&[one.address]);
    let second = async {
        while seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        run(&plan, &alone).await
    };
    tokio::select! {
        ended = run(&plan, &alone) => panic!("{ended:?}"),
        second = second => assert!(second.unwrap_err().to_string().contains("busy")),
    }
}
