//! A Galera cluster of three nodes on loopback as target: what it does differently is told, chunks fit its limits, and when
//! a node is lost in the middle another one takes the rest.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use golive_migrate::{
    CopyError, CopyOptions, Plan, PlanOptions, Severity, Source, SurveyOptions, Target, TargetOptions,
    Verdict, add_constraints, copy, create_schema, survey,
};
use golive_sandbox::{MariaDb, MariaDbOptions, ProcessSpec, Requirement, free_port, run_to_end};
use secrecy::ExposeSecret as _;

const ROWS: usize = 12_000;

struct Cluster {
    nodes: Vec<MariaDb>,
    _folder: tempfile::TempDir,
}

/// Nodes that begin with one node's data, so that none needs another's state sent, for which whole packages of scripts
/// would be needed: what happened since is replayed from the first node's memory.
fn cluster(count: usize, more: &[&str]) -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<(u16, u16)> = (0..count).map(|_| (free_port().unwrap(), free_port().unwrap())).collect();
    let place = |at: usize| folder.path().join(format!("node{at}"));
    let seed = MariaDb::start(&node(&ports, 0, &place(0), more)).unwrap();
    wait_for_size(std::slice::from_ref(&seed), 1);
    seed.execute("CREATE DATABASE app CHARACTER SET utf8mb4").unwrap();
    seed.stop().unwrap();
    drop(seed);
    for at in 1..count {
        let copy = ProcessSpec::new("cp").arguments(["-a".into(), place(0), place(at)]);
        assert!(run_to_end(copy, Duration::from_secs(60)).unwrap().status.success());
        let _ = std::fs::remove_file(place(at).join("data/galera.cache"));
    }
    let mut nodes: Vec<MariaDb> = Vec::new();
    for at in 0..count {
        nodes.push(MariaDb::start(&node(&ports, at, &place(at), more)).unwrap());
        wait_for_size(&nodes, at + 1);
    }
    Cluster { nodes, _folder: folder }
}

fn node(ports: &[(u16, u16)], at: usize, directory: &Path, more: &[&str]) -> MariaDbOptions {
    let others: Vec<String> = ports[..at].iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
    let (own, transfer) = ports[at];
    let mut options = MariaDbOptions::new();
    options.directory = Some(directory.to_owned());
    options.settings = vec![
        "wsrep-on=ON".to_owned(),
        format!("wsrep-provider={}", Requirement::Galera.find().unwrap().display()),
        format!("wsrep-cluster-address=gcomm://{}", others.join(",")),
        format!("wsrep-node-address=127.0.0.1:{own}"),
        // Short times, since a node is lost on purpose.
        format!(
            "wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{own};ist.recv_addr=127.0.0.1:{transfer};\
             gcache.size=16M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S"
        ),
        "wsrep-sst-method=golive".to_owned(),
        "binlog-format=ROW".to_owned(),
        "innodb-autoinc-lock-mode=2".to_owned(),
        "innodb-flush-log-at-trx-commit=0".to_owned(),
    ];
    options.settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    options
}

fn wait_for_size(nodes: &[MariaDb], size: usize) {
    let until = Instant::now() + Duration::from_secs(60);
    let wanted = format!("{size}\tSynced");
    let sql = "SELECT (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_CLUSTER_SIZE'), \
         (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_LOCAL_STATE_COMMENT')";
    for node in nodes {
        loop {
            let said = node.execute(sql).unwrap_or_default();
            if said.contains(&wanted) {
                break;
            }
            assert!(
                Instant::now() < until,
                "{said}\nDONOR {}\nJOINER {}",
                nodes[0].log_tail(),
                node.log_tail()
            );
            std::thread::yield_now();
        }
    }
}

fn url(nodes: &[&MariaDb]) -> String {
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    // They share their account: it came with the data.
    let password = nodes[0].password().expose_secret();
    format!("mysql://golive:{password}@{}/app", hosts.join(","))
}

fn source(folder: &Path) -> Source {
    let sql = format!(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE bag (a INTEGER, b TEXT);
         CREATE INDEX by_name ON big (name);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO big SELECT i, 'name ' || i FROM n; INSERT INTO bag SELECT id % 7, name FROM big;"
    );
    Source::open(&support::sqlite(folder, &sql)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_lost_mid_copy_and_another_takes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let Cluster { nodes, _folder } = cluster(3, &["wsrep-max-ws-rows=1500"]);
    let all = url(&[&nodes[0], &nodes[1], &nodes[2]]);
    let target = Target::connect(&TargetOptions::new(all.clone().into())).await.unwrap();
    assert!(target.address().ends_with(&nodes[0].port().to_string()), "the first that answers");
    assert_eq!(target.server().galera.as_ref().unwrap().nodes, 3);
    let found = survey(&source, Some(&target), &SurveyOptions::default()).await.unwrap();
    let severity =
        |id: &str| found.findings.iter().find(|finding| finding.id == id).map(|finding| finding.severity);
    assert_eq!(severity("MIG-GALERA-NO-KEY"), Some(Severity::ChangesData), "{:?}", found.findings);
    assert_eq!(severity("MIG-GALERA-WRITE-SET"), Some(Severity::Note));
    assert_eq!(severity("MIG-GALERA-LOCK"), Some(Severity::Note));
    let plan = Plan::new(&found, &PlanOptions::default()).unwrap();
    create_schema(&target, &plan).await.unwrap();

    let chunks = AtomicUsize::new(0);
    let kill = |_| {
        if chunks.fetch_add(1, Ordering::Relaxed) == 4 {
            nodes[0].kill().unwrap();
        }
    };
    // The default chunk is larger than the cluster takes: it is cut to fit.
    let ended = copy(&source, &target, &plan, &CopyOptions::default(), &kill).await;
    assert!(matches!(ended, Err(CopyError::Server { .. })), "{ended:?}");
    wait_for_size(&nodes[1..], 2);
    let target = Target::connect(&TargetOptions::new(all.into())).await.unwrap();
    assert!(target.address().ends_with(&nodes[1].port().to_string()), "the next one");
    // The lock is one node's own: a run on another node is not kept away, and still no row comes twice.
    let other = Target::connect(&TargetOptions::new(url(&[&nodes[2]]).into())).await.unwrap();
    let options = CopyOptions::default();
    let both = tokio::join!(
        copy(&source, &target, &plan, &options, &|_| {}),
        copy(&source, &other, &plan, &options, &|_| {})
    );
    println!("{both:?}");
    let report = copy(&source, &target, &plan, &options, &|_| {}).await.unwrap();
    assert!(report.resumed && report.rows < 2 * ROWS as u64, "{report:?}");
    add_constraints(&target, &plan).await.unwrap();
    for node in &nodes[1..] {
        let one = Target::connect(&TargetOptions::new(url(&[node]).into())).await.unwrap();
        let verification = support::check(&source, &one).await;
        assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_in_a_cluster_blocks_and_a_split_load_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let Cluster { nodes, _folder } =
        cluster(1, &["innodb-force-primary-key=ON", "wsrep-load-data-splitting=ON"]);
    nodes[0].execute("SET GLOBAL wsrep_OSU_method = RSU").unwrap();
    let target = Target::connect(&TargetOptions::new(url(&[&nodes[0]]).into())).await.unwrap();
    assert!(!target.server().local_infile, "half a chunk would stay");
    let found = survey(&source, Some(&target), &SurveyOptions::default()).await.unwrap();
    let blocking: Vec<&str> = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocks)
        .map(|finding| finding.id)
        .collect();
    assert_eq!(blocking, ["MIG-GALERA-NO-KEY", "MIG-GALERA-OSU"]);
    assert!(found.findings.iter().any(|finding| finding.id == "MIG-GALERA-SPLITTING"));
}
