//! A private nginx for one test, and its grade. No expectation stands here.

use chrono::{DateTime, TimeZone as _, Utc};
use golive_deploy::tls::{GradeError, GradeOptions, GradeTarget, Letter, TlsReport, grade};
use golive_sandbox::{CertificateAuthority, Nginx, NginxOptions, free_port};

pub(crate) const CA: &str = include_str!("../fixtures/ca.pem");
pub(crate) const HSTS: &str = "add_header Strict-Transport-Security \"max-age=63072000\" always;";
pub(crate) const AEAD: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:\
                               ECDHE-RSA-AES128-GCM-SHA256";

pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2027, 1, 1, 0, 0, 0).single().expect("a date")
}

/// What is graded, as a good server until a test changes something.
pub(crate) struct Endpoint {
    pub(crate) protocols: &'static str,
    pub(crate) ciphers: &'static str,
    pub(crate) extra: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) anchors: Vec<String>,
    pub(crate) intermediates: Vec<String>,
    pub(crate) revocation_lists: Vec<String>,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) host: &'static str,
}

impl Endpoint {
    pub(crate) fn good() -> Self {
        let authority = CertificateAuthority::new("test authority").expect("an authority");
        let certificate = authority.issue(&["localhost", "127.0.0.1"]).expect("a certificate");
        Self {
            protocols: "TLSv1.2 TLSv1.3",
            ciphers: AEAD,
            extra: HSTS.to_owned(),
            certificate: certificate.certificate_pem.clone(),
            key: certificate.expose_key_pem().to_owned(),
            anchors: vec![authority.certificate_pem().to_owned()],
            intermediates: Vec::new(),
            revocation_lists: Vec::new(),
            files: Vec::new(),
            host: "localhost",
        }
    }

    pub(crate) fn fixture(certificate: &str, key: &str) -> Self {
        Self { certificate: certificate.into(), key: key.into(), anchors: vec![CA.into()], ..Self::good() }
    }

    pub(crate) fn options(&self) -> GradeOptions {
        let mut options = GradeOptions::new(now());
        options.system_anchors = false;
        options.extra_anchors_pem.clone_from(&self.anchors);
        options.intermediates_pem.clone_from(&self.intermediates);
        options.revocation_lists_pem.clone_from(&self.revocation_lists);
        options
    }

    pub(crate) fn grade(&self) -> TlsReport {
        self.grade_and(|_| ()).0
    }

    /// Grades it, and has something else look at its port meanwhile.
    pub(crate) fn grade_and<T>(&self, look: impl FnOnce(u16) -> T) -> (TlsReport, T) {
        let port = free_port().expect("a port");
        let text = format!(
            "events {{ worker_connections 64; }}\nhttp {{\n{{temporary_paths}}\naccess_log off;\nserver {{\n\
             listen 127.0.0.1:{port} ssl;\nserver_name localhost;\nssl_certificate {{directory}}/server.pem;\n\
             ssl_certificate_key {{directory}}/server.key;\nssl_protocols {};\nssl_ciphers \"{}\";\n\
             ssl_session_tickets off;\n{}\nreturn 200 ok;\n}}\n}}\n",
            self.protocols, self.ciphers, self.extra
        );
        let mut options = NginxOptions::new(text);
        options.files =
            vec![("server.pem".into(), self.certificate.clone()), ("server.key".into(), self.key.clone())];
        options.files.extend(self.files.iter().cloned());
        let _nginx = Nginx::start(&options).expect("nginx starts");
        (run(port, self.host, &self.options()).expect("a grade"), look(port))
    }

    pub(crate) fn letter(&self) -> Letter {
        self.grade().grade
    }
}

/// Grades 127.0.0.1 under a name.
pub(crate) fn run(port: u16, name: &str, options: &GradeOptions) -> Result<TlsReport, GradeError> {
    let mut target = GradeTarget::new("127.0.0.1", port);
    target.server_name = Some(name.into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(grade(&target, options))
}
