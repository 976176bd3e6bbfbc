//! Certificates from a real ACME authority (pebble), through the rendered proxy.

use std::time::Duration;

use golive_deploy::tls::{GradeOptions, KeyFile, check_certificate};
use golive_deploy::{
    AcmeOrder, NginxOptions, ObtainError, Obtained, audit_nginx, obtain_certificate, render_nginx,
};
use golive_sandbox::{
    CertificateAuthority, Nginx, NginxOptions as ServerOptions, Process, ProcessSpec, Requirement, free_port,
};

/// An authority that looks for answers at one port of this machine, whatever the name.
struct Authority {
    _names: Process,
    _pebble: Process,
    _proxy: Nginx,
    folder: tempfile::TempDir,
    directory: String,
}

fn start() -> Authority {
    let folder = tempfile::tempdir().expect("started");
    let at = |name: &str| folder.path().join(name);
    let [names, directory, management, http, https, challenges] =
        [(); 6].map(|()| free_port().expect("started"));
    let own = CertificateAuthority::new("of the directory").expect("started");
    let leaf = own.issue(&["localhost", "127.0.0.1"]).expect("started");
    std::fs::write(at("root.pem"), own.certificate_pem()).expect("started");
    std::fs::write(at("leaf.pem"), &leaf.certificate_pem).expect("started");
    std::fs::write(at("leaf.key"), leaf.expose_key_pem()).expect("started");
    std::fs::create_dir(at("webroot")).expect("started");
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{directory}"),
        "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": at("leaf.pem"), "privateKey": at("leaf.key"),
        "httpPort": http, "tlsPort": https, "ocspResponderURL": "", "externalAccountBindingRequired": false,
    } });
    std::fs::write(at("pebble.json"), config.to_string()).expect("started");
    let mut site = NginxOptions::new(["app.example.com"], "127.0.0.1:9", "/CERTIFICATE", "/KEY");
    site.listen_address = Some("127.0.0.1".into());
    (site.http_port, site.https_port) = (http, https);
    site.acme_root = Some(at("webroot").to_str().expect("started").to_owned());
    let text = render_nginx(&site).expect("started");
    assert_eq!(audit_nginx("site.conf", &text), Vec::new(), "{text}");
    let text = text.replace("/CERTIFICATE", "{directory}/leaf.pem").replace("/KEY", "{directory}/leaf.key");
    let whole = format!("events {{}}\nhttp {{\n{{temporary_paths}}\naccess_log off;\n{text}\n}}\n");
    let mut server = ServerOptions::new(whole);
    server.files = vec![
        ("leaf.pem".into(), leaf.certificate_pem.clone()),
        ("leaf.key".into(), leaf.expose_key_pem().to_owned()),
    ];
    let proxy = Nginx::start(&server).expect("started");
    let off = ["-http01", "", "-https01", "", "-tlsalpn01", ""];
    let names_server = ProcessSpec::new(Requirement::PebbleNames.find().expect("started"))
        .arguments(off)
        .arguments(["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"])
        .arguments([
            "-dns01",
            &format!("127.0.0.1:{names}"),
            "-management",
            &format!("127.0.0.1:{challenges}"),
        ])
        .output(at("names.log"));
    let names_server = Process::start(names_server).expect("started");
    let pebble = ProcessSpec::new(Requirement::Pebble.find().expect("started"))
        .arguments(["-strict", "-dnsserver", &format!("127.0.0.1:{names}"), "-config"])
        .argument(at("pebble.json"))
        .environment([("PEBBLE_VA_NOSLEEP", "1")])
        .output(at("pebble.log"));
    let pebble = Process::start(pebble).expect("started");
    for port in [directory, challenges] {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                std::time::Instant::now() < deadline,
                "{}",
                std::fs::read_to_string(at("pebble.log")).expect("started")
            );
            std::thread::yield_now();
        }
    }
    let directory = format!("https://localhost:{directory}/dir");
    Authority { _names: names_server, _pebble: pebble, _proxy: proxy, folder, directory }
}

impl Authority {
    fn order(&self) -> AcmeOrder {
        let names = ["app.example.com", "www.example.com"];
        let mut order = AcmeOrder::new(&self.directory, names, self.folder.path().join("webroot"));
        order.directory_authority = Some(self.folder.path().join("root.pem"));
        order.agreed_to_terms = true;
        order.contact = vec!["mailto:operations@example.com".into()];
        order.timeout = Duration::from_secs(60);
        order
    }
}

fn obtain(order: &AcmeOrder) -> Result<Obtained, ObtainError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("started");
    runtime.block_on(obtain_certificate(order))
}

#[test]
fn a_certificate_is_obtained_through_the_rendered_proxy_and_nothing_is_left_behind() {
    let authority = start();
    let mut order = authority.order();
    let first = obtain(&order).unwrap();
    let begun = std::fs::metadata(authority.folder.path().join("pebble.json")).unwrap().modified().unwrap();
    // The authority dates its certificates by its own clock.
    let mut options = GradeOptions::new((begun + Duration::from_secs(3600)).into());
    options.system_anchors = false;
    let key = KeyFile::new(first.key_pem.clone());
    let check = check_certificate(&first.chain_pem, Some(&key), &order.names, &options).unwrap();
    let found: Vec<&str> = check.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(found, ["DEP-404"], "names and key fit; its root is known to nobody");
    let challenges = authority.folder.path().join("webroot/.well-known/acme-challenge");
    assert_eq!(std::fs::read_dir(&challenges).unwrap().count(), 0);

    order.account = Some(first.account);
    let second = obtain(&order).unwrap();
    assert_ne!(second.chain_pem, first.chain_pem, "the account is used again");
}

#[test]
fn what_goes_wrong_is_told_and_nothing_is_left_behind() {
    let authority = start();
    let order = authority.order();
    let wrong = |change: fn(&mut AcmeOrder)| {
        let mut order = authority.order();
        change(&mut order);
        obtain(&order).unwrap_err()
    };
    assert!(matches!(wrong(|order| order.agreed_to_terms = false), ObtainError::Terms));
    assert!(matches!(wrong(|order| order.names.clear()), ObtainError::Names));
    assert!(matches!(wrong(|order| order.account = Some("{}".into())), ObtainError::Account(_)));
    assert!(matches!(wrong(|order| order.directory_authority = None), ObtainError::Authority(_)));
    assert!(matches!(
        wrong(|order| order.directory = "https://localhost:9/dir".into()),
        ObtainError::Authority(_)
    ));
    let nowhere = wrong(|order| order.webroot = "/proc/nowhere".into());
    assert!(matches!(nowhere, ObtainError::Answer { .. }), "{nowhere}");
    let unserved = tempfile::tempdir().unwrap();
    let mut elsewhere = order;
    elsewhere.webroot = unserved.path().to_owned();
    let not_seen = obtain(&elsewhere).unwrap_err();
    assert!(matches!(not_seen, ObtainError::NotProven { .. }), "{not_seen:?}");
    assert_eq!(std::fs::read_dir(unserved.path().join(".well-known/acme-challenge")).unwrap().count(), 0);
}
