//! Measures a grade of a good nginx beside sslscan and, where it is installed, testssl.sh, interleaved, and prints the ratios
//! of the medians as JSON. `cargo xtask bench deploy` runs it.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that cannot be made ends"
)]

use std::time::{Duration, Instant};

use golive_deploy::tls::{GradeOptions, GradeTarget, Letter, grade};
use golive_deploy::{AuditInputs, AuditKind, audit_files};
use golive_sandbox::{
    CertificateAuthority, Nginx, NginxOptions, ProcessSpec, Requirement, free_port, run_to_end,
};

const ROUNDS: usize = 7;
const FILES: usize = 1000;

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn seconds_of(program: &str, arguments: &[String], limit: Duration) -> Option<f64> {
    let begun = Instant::now();
    run_to_end(ProcessSpec::new(program).arguments(arguments), limit).ok()?;
    Some(begun.elapsed().as_secs_f64())
}

/// Seconds to audit so many files, and to read them alone.
fn audits() -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "FROM debian:12.11-slim\nRUN apt-get update && apt-get install --yes curl\nUSER 10001\nCMD [\"app\"]\n";
    let files: Vec<_> = (0..FILES)
        .map(|index| {
            let path = folder.path().join(format!("Dockerfile.{index}"));
            std::fs::write(&path, text).expect("written");
            (AuditKind::Dockerfile, path)
        })
        .collect();
    let begun = Instant::now();
    let inputs = AuditInputs::read(&files).expect("read");
    let reading = begun.elapsed().as_secs_f64();
    let findings = audit_files(&inputs);
    assert!(findings.len() >= FILES, "it was audited");
    (begun.elapsed().as_secs_f64(), reading)
}

#[tokio::main]
async fn main() {
    let (port, authority) =
        (free_port().expect("a port"), CertificateAuthority::new("bench").expect("an authority"));
    let certificate = authority.issue(&["localhost", "127.0.0.1"]).expect("a certificate");
    let mut server = NginxOptions::new(format!(
        "events {{ worker_connections 256; }}\nhttp {{\n{{temporary_paths}}\naccess_log off;\nserver {{\n\
         listen 127.0.0.1:{port} ssl;\nserver_name localhost;\nssl_certificate {{directory}}/server.pem;\n\
         ssl_certificate_key {{directory}}/server.key;\nssl_protocols TLSv1.2 TLSv1.3;\n\
         ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;\nssl_session_tickets off;\n\
         add_header Strict-Transport-Security \"max-age=63072000\" always;\nreturn 200 ok;\n}}\n}}\n"
    ));
    server.files = vec![
        ("server.pem".into(), certificate.certificate_pem.clone()),
        ("server.key".into(), certificate.expose_key_pem().to_owned()),
    ];
    let _nginx = Nginx::start(&server).expect("nginx starts");
    let mut options = GradeOptions::new(chrono::Utc::now());
    options.extra_anchors_pem = vec![authority.certificate_pem().to_owned()];
    let mut target = GradeTarget::new("127.0.0.1", port);
    target.server_name = Some("localhost".into());

    let scanner = Requirement::Sslscan.find().expect("sslscan is installed").display().to_string();
    let scan = ["--xml=-".to_owned(), format!("127.0.0.1:{port}")];
    let (mut ours, mut sslscan) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let report = grade(&target, &options).await.expect("a grade");
        ours.push(begun.elapsed().as_secs_f64());
        assert_eq!(report.grade, Letter::APlus, "{report:#?}");
        sslscan.extend(seconds_of(&scanner, &scan, Duration::from_secs(120)));
    }
    let whole = ["--quiet", "--color", "0", "--warnings", "off"].map(str::to_owned);
    let whole: Vec<String> = whole.into_iter().chain([format!("127.0.0.1:{port}")]).collect();
    let testssl = seconds_of("testssl", &whole, Duration::from_secs(900)).filter(|seconds| *seconds > 5.0);
    let (ours, sslscan) = (median(ours), median(sslscan));
    let (auditing, reading) = audits();
    let results = serde_json::json!({
        "schema_version": 1,
        "rounds": ROUNDS,
        "seconds": { "grade": ours, "sslscan": sslscan, "testssl": testssl, "audit_1000_files": auditing, "read_1000_files": reading },
        "ratios": [
            { "name": "sslscan / grade", "ratio": sslscan / ours, "at_least": 5.0 },
            { "name": "testssl.sh / grade", "ratio": testssl.map(|seconds| seconds / ours), "at_least": 300.0 },
        ],
        "told": [{ "name": "times reading them, to read and audit 1,000 files", "value": auditing / reading }],
    });
    println!("{results:#}");
}
