//! Renders an nginx configuration that is graded A+ and passes our own audit.
//!
//! Pure: options in, text out. Writing it, and starting nginx, is the caller's work.

use std::fmt::Write as _;

use super::RenderError;

/// What the configuration is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NginxOptions {
    /// Public names; the first is the main one.
    pub server_names: Vec<String>,
    /// The application, as `host:port`.
    pub upstream: String,
    /// Path of the certificate with its chain.
    pub certificate: String,
    /// Path of the private key.
    pub key: String,
    /// Where plain http is answered with a redirect.
    pub http_port: u16,
    /// Where https is answered.
    pub https_port: u16,
    /// Listen on this address only, for instance `127.0.0.1`; `None` listens on all, v4 and v6.
    pub listen_address: Option<String>,
    /// `Content-Security-Policy` for pages.
    pub content_security_policy: String,
    /// `max-age` of HSTS in seconds. Subdomains and preload are never included: neither can be taken back.
    pub hsts_seconds: u64,
    /// Largest upload, in MiB.
    pub upload_mebibytes: u32,
    /// How long the application may take for an answer, in seconds.
    pub answer_seconds: u32,
    /// A folder that answers for ACME are put into, served over plain http below `/.well-known/acme-challenge/`.
    pub acme_root: Option<String>,
    /// A folder of static files to serve at `/`, with the application under `/api/` and `/health/`.
    pub static_root: Option<String>,
}

impl NginxOptions {
    /// A proxy for `upstream` under these names with this certificate and key, on ports 80 and 443.
    pub fn new<N: Into<String>>(
        server_names: impl IntoIterator<Item = N>,
        upstream: impl Into<String>,
        certificate: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        Self {
            server_names: server_names.into_iter().map(Into::into).collect(),
            upstream: upstream.into(),
            certificate: certificate.into(),
            key: key.into(),
            http_port: 80,
            https_port: 443,
            listen_address: None,
            content_security_policy:
                "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; \
                                      object-src 'none'; img-src 'self' data:"
                    .into(),
            hsts_seconds: 63_072_000,
            upload_mebibytes: 10,
            answer_seconds: 60,
            acme_root: None,
            static_root: None,
        }
    }

    fn validate(&self) -> Result<(), RenderError> {
        if self.server_names.is_empty() {
            return Err(RenderError::NoServerName);
        }
        let word = |text: &str| {
            !text.is_empty()
                && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "{};\"'$\\#".contains(c))
        };
        let line =
            |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control() || "\"$\\".contains(c));
        let optional = |text: &Option<String>| text.as_deref().is_none_or(line);
        let fields = [
            ("server_names", self.server_names.iter().all(|name| word(name))),
            ("upstream", word(&self.upstream)),
            ("certificate", line(&self.certificate)),
            ("key", line(&self.key)),
            ("listen_address", self.listen_address.as_deref().is_none_or(word)),
            ("content_security_policy", line(&self.content_security_policy)),
            ("acme_root", optional(&self.acme_root)),
            ("static_root", optional(&self.static_root)),
        ];
        match fields.iter().find(|(_, safe)| !safe) {
            Some((field, _)) => Err(RenderError::Unsafe { what: "proxy configuration", field }),
            None => Ok(()),
        }
    }
}

/// Renders the configuration of one site: what stands within `http`, as in `conf.d` or `sites-enabled`.
pub fn render_nginx(options: &NginxOptions) -> Result<String, RenderError> {
    options.validate()?;
    Ok(site(options))
}

fn site(options: &NginxOptions) -> String {
    let names = options.server_names.join(" ");
    let mut text = String::from("# Rendered by golive; change golive.toml and render again.\n");
    // Requests carry one identity through proxy, application and logs.
    text.push_str("map $http_x_request_id $golive_request_id {\n    default $request_id;\n");
    text.push_str("    \"~^[A-Za-z0-9._-]{8,64}$\" $http_x_request_id;\n}\n");
    let _ = write!(
        text,
        "upstream golive_application {{\n    server {};\n    keepalive 32;\n}}\n\n",
        options.upstream
    );
    // Whatever the name, nothing is answered over plain http but the way to https.
    let port = if options.https_port == 443 { String::new() } else { format!(":{}", options.https_port) };
    let redirect = format!("return 301 https://$host{port}$request_uri;");
    let redirect = match &options.acme_root {
        None => redirect,
        Some(root) => format!(
            "location ^~ /.well-known/acme-challenge/ {{\n        root \"{root}\";\n        default_type text/plain;\n    }}\n    \
             location / {{\n        {redirect}\n    }}"
        ),
    };
    let _ = write!(
        text,
        "server {{\n{}    server_name {names};\n    server_tokens off;\n    {redirect}\n}}\n\n",
        listen(options, options.http_port, " default_server")
    );
    let _ = write!(
        text,
        "server {{\n{}    server_name {names};\n    server_tokens off;\n\n",
        listen(options, options.https_port, " ssl http2 default_server")
    );
    text.push_str(&tls(options));
    text.push_str(&headers(options, "    "));
    let _ = write!(
        text,
        "\n    client_max_body_size {}m;\n    client_header_timeout 15s;\n    client_body_timeout 30s;\n    send_timeout 30s;\n    \
         keepalive_timeout 65s;\n    large_client_header_buffers 4 16k;\n\n",
        options.upload_mebibytes
    );
    text.push_str(&locations(options));
    text.push_str("}\n");
    text
}

fn listen(options: &NginxOptions, port: u16, words: &str) -> String {
    match &options.listen_address {
        Some(address) => format!("    listen {address}:{port}{words};\n"),
        None => format!("    listen {port}{words};\n    listen [::]:{port}{words};\n"),
    }
}

fn tls(options: &NginxOptions) -> String {
    // AES-256 and ChaCha20 only would shut out nobody current, but AES-128 is mandatory in TLS 1.3 anyway.
    // No stapling: certificates without an OCSP address make nginx warn, and the large CAs have ended OCSP.
    format!(
        "    ssl_certificate \"{}\";\n    ssl_certificate_key \"{}\";\n    ssl_protocols TLSv1.2 TLSv1.3;\n    \
         ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:\
         ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;\n    \
         ssl_prefer_server_ciphers off;\n    ssl_ecdh_curve X25519:prime256v1:secp384r1;\n    \
         ssl_session_cache shared:golive:10m;\n    ssl_session_timeout 1d;\n    ssl_session_tickets off;\n    ssl_stapling off;\n\n",
        options.certificate, options.key
    )
}

/// The security headers. Each block that adds one of its own needs them all again.
fn headers(options: &NginxOptions, indent: &str) -> String {
    let lines = [
        ("Strict-Transport-Security", format!("max-age={}", options.hsts_seconds)),
        ("Content-Security-Policy", options.content_security_policy.clone()),
        ("X-Content-Type-Options", "nosniff".into()),
        ("X-Frame-Options", "DENY".into()),
        ("Referrer-Policy", "strict-origin-when-cross-origin".into()),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=()".into()),
    ];
    lines.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{indent}add_header {name} \"{value}\" always;");
        text
    })
}

fn proxy(options: &NginxOptions, indent: &str) -> String {
    let own: Vec<String> = [
        "Strict-Transport-Security",
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "X-Frame-Options",
        "Referrer-Policy",
        "Permissions-Policy",
        "X-Request-Id",
    ]
    .iter()
    .map(|name| format!("proxy_hide_header {name};"))
    .collect();
    let fixed = [
        "proxy_pass http://golive_application;",
        "proxy_http_version 1.1;",
        "proxy_set_header Connection \"\";",
        "proxy_set_header Host $host;",
        "proxy_set_header X-Real-IP $remote_addr;",
        // Not appended to: what the client wrote there is not to be believed.
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Forwarded-Host $host;",
        "proxy_set_header X-Request-Id $golive_request_id;",
        "proxy_connect_timeout 5s;",
        "proxy_next_upstream off;",
    ];
    let mut text = String::new();
    for line in fixed.iter().map(|&line| line.to_owned()).chain(own) {
        let _ = writeln!(text, "{indent}{line}");
    }
    let seconds = options.answer_seconds;
    let _ = write!(text, "{indent}proxy_send_timeout {seconds}s;\n{indent}proxy_read_timeout {seconds}s;\n");
    text.push_str(&headers(options, indent));
    let _ = writeln!(text, "{indent}add_header X-Request-Id $golive_request_id always;");
    text
}

fn locations(options: &NginxOptions) -> String {
    let indent = "        ";
    let Some(root) = &options.static_root else {
        return format!("    location / {{\n{}    }}\n", proxy(options, indent));
    };
    let mut text = String::new();
    for path in ["/api/", "/health/"] {
        let _ = write!(text, "    location {path} {{\n{}    }}\n", proxy(options, indent));
    }
    // Only names with a digest in them may be kept: the rest changes under its name.
    let _ = write!(
        text,
        "    location /assets/ {{\n{indent}root \"{root}\";\n{}{indent}add_header Cache-Control \"public, max-age=31536000, immutable\" always;\n    }}\n",
        headers(options, indent)
    );
    let _ = write!(
        text,
        "    location / {{\n{indent}root \"{root}\";\n{indent}try_files $uri $uri/ /index.html;\n{}{indent}add_header Cache-Control \"no-cache\" always;\n    }}\n",
        headers(options, indent)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_text_that_ends_a_directive() {
        let unsafe_name = NginxOptions::new(["a; return 200"], "127.0.0.1:8000", "/c", "/k");
        assert_eq!(
            render_nginx(&unsafe_name),
            Err(RenderError::Unsafe { what: "proxy configuration", field: "server_names" })
        );
        let none = NginxOptions::new(Vec::<String>::new(), "127.0.0.1:8000", "/c", "/k");
        assert_eq!(render_nginx(&none), Err(RenderError::NoServerName));
    }
}
