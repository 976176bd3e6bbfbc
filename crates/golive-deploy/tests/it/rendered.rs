//! The rendered configuration: it starts, passes our own audit, proxies, redirects, and is graded A+.

use golive_deploy::tls::Letter;
use golive_deploy::{NginxOptions, audit_nginx, render_nginx};
use golive_sandbox::{CertificateAuthority, Nginx, NginxOptions as ServerOptions, Sink, free_port};

use crate::endpoint::{now, run};

fn options(static_root: Option<&str>) -> NginxOptions {
    let mut options =
        NginxOptions::new(["app.client.mx"], "127.0.0.1:8000", "/etc/ssl/app.pem", "/etc/ssl/app.key");
    options.static_root = static_root.map(str::to_owned);
    options
}

#[test]
fn it_passes_our_own_audit() {
    for root in [None, Some("/srv/app")] {
        let text = render_nginx(&options(root)).expect("rendered");
        let findings = audit_nginx("rendered.conf", &text);
        assert!(findings.is_empty(), "{findings:#?}\n{text}");
    }
}

/// A site on a private nginx, with the authority that its certificate is from.
struct Site {
    _nginx: Nginx,
    authority: CertificateAuthority,
    http: u16,
    https: u16,
}

fn start(upstream: &str, static_root: Option<&str>) -> Site {
    let (http, https) = (free_port().expect("a port"), free_port().expect("a port"));
    let authority = CertificateAuthority::new("test authority").expect("an authority");
    let certificate = authority.issue(&["localhost"]).expect("a certificate");
    let mut site = NginxOptions::new(["localhost"], upstream, "/CERTIFICATE", "/KEY");
    site.listen_address = Some("127.0.0.1".into());
    site.static_root = static_root.map(str::to_owned);
    (site.http_port, site.https_port) = (http, https);
    let text = render_nginx(&site).expect("rendered");
    let text =
        text.replace("/CERTIFICATE", "{directory}/server.pem").replace("/KEY", "{directory}/server.key");
    let main = format!(
        "events {{ worker_connections 64; }}\nhttp {{\n{{temporary_paths}}\naccess_log off;\n{text}\n}}\n"
    );
    let mut server = ServerOptions::new(main);
    server.files = vec![
        ("server.pem".into(), certificate.certificate_pem.clone()),
        ("server.key".into(), certificate.expose_key_pem().to_owned()),
    ];
    Site { _nginx: Nginx::start(&server).expect("nginx starts"), authority, http, https }
}

#[test]
fn with_static_files_it_is_a_plus_too() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("index.html"), "<!doctype html>").expect("written");
    let site = start("127.0.0.1:9", folder.path().to_str());
    let mut options = golive_deploy::tls::GradeOptions::new(now());
    options.extra_anchors_pem = vec![site.authority.certificate_pem().to_owned()];
    let report = run(site.https, "localhost", &options).expect("a grade");
    assert_eq!(report.grade, Letter::APlus, "{report:#?}");
}

#[test]
fn it_starts_proxies_redirects_and_is_a_plus() {
    let application = Sink::start().expect("an application");
    let upstream = url::Url::parse(&application.url()).expect("a URL");
    let site = start(&format!("127.0.0.1:{}", upstream.port().expect("a port")), None);
    let Site { authority, http, https, .. } = &site;
    let (http, https) = (*http, *https);

    let mut options = golive_deploy::tls::GradeOptions::new(now());
    options.extra_anchors_pem = vec![authority.certificate_pem().to_owned()];
    let mut target = golive_deploy::tls::GradeTarget::new("127.0.0.1", https);
    target.server_name = Some("localhost".into());
    target.http_port = Some(http);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(golive_deploy::tls::grade(&target, &options)).expect("a grade");
    assert_eq!(report.grade, Letter::APlus, "{report:#?}");
    assert_eq!(report.facts.redirects_to_https, Some(true));

    let seen = application.received();
    let request = seen.first().expect("the request for / came through");
    let header = |name: &str| {
        request.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    assert_eq!(header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(header("host").as_deref(), Some("localhost"));
    assert!(header("x-request-id").is_some_and(|id| id.len() >= 16));
}

#[test]
fn an_endpoint_that_is_none_gets_no_grade() {
    use golive_deploy::tls::{GradeError, GradeOptions};
    let options = GradeOptions::new(now());
    let closed = free_port().expect("a port");
    assert!(matches!(run(closed, "localhost", &options), Err(GradeError::Connect { .. })));
    let plain = free_port().expect("a port");
    let text = format!(
        "events {{}}\nhttp {{ {{temporary_paths}}\nserver {{ listen 127.0.0.1:{plain}; return 200 ok; }} }}"
    );
    let _nginx = Nginx::start(&ServerOptions::new(text)).expect("nginx starts");
    let error = run(plain, "localhost", &options).expect_err("plain http is no TLS");
    assert!(matches!(error, GradeError::NotTls { .. }), "{error}");
}
