//! The rules on Caddy and Traefik, each with a file that violates it, and files that are as they should be with no
//! finding at all.

use std::collections::BTreeSet;

use golive_deploy::{Finding, audit_caddy, audit_traefik, explain};

fn only(findings: &[Finding], id: &str, case: &str) {
    for finding in findings {
        assert!(explain(&finding.id).is_some() && finding.line.is_some(), "{finding:?}");
    }
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from([id]), "{case}: {findings:#?}");
}

const CADDYFILE: &str = r#"{
	email ops@client.mx
	admin localhost:2019
	servers {
		trusted_proxies static 10.0.0.0/8
	}
}

(headers) {
	header {
		Strict-Transport-Security "max-age=63072000; includeSubDomains"
		Content-Security-Policy "default-src 'self'; frame-ancestors 'none'"
		X-Content-Type-Options nosniff
		Referrer-Policy strict-origin-when-cross-origin
		-Server
	}
}

app.client.mx, www.client.mx {
	import headers
	encode zstd gzip
	@api path /api/*
	handle @api {
		reverse_proxy app:8000 {
			header_up X-Request-Id {http.request.uuid}
			transport http {
				tls_trust_pool file /etc/caddy/inner.pem
			}
		}
	}
	file_server
	log {
		output file /var/log/caddy/access.log
	}
}

http://old.client.mx {
	redir https://app.client.mx{uri} permanent
}

localhost:8080 {
	tls internal
	respond "alive" 200
}
"#;

#[test]
fn good_caddyfiles_have_no_finding() {
    assert_eq!(audit_caddy("Caddyfile", CADDYFILE), Vec::new());
    let short = "app.client.mx\n\nheader Strict-Transport-Security max-age=31536000\nheader * Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\"\nheader ?X-Content-Type-Options nosniff\nheader Referrer-Policy no-referrer\nreverse_proxy app:8000\n";
    assert_eq!(audit_caddy("Caddyfile", short), Vec::new(), "one site without braces");
    let inner = "plant.internal {\n\ttls internal\n\tbind 127.0.0.1\n\treverse_proxy app:8000\n}\n";
    assert_eq!(audit_caddy("Caddyfile", inner), Vec::new(), "nobody else reaches it");
}

#[test]
fn caddy_rules() {
    for (from, to, id) in [
        ("admin localhost:2019", "auto_https off", "DEP-501"),
        ("admin localhost:2019", "auto_https disable_redirects", "DEP-501"),
        ("redir https://app.client.mx{uri} permanent", "reverse_proxy app:8000", "DEP-501"),
        ("app.client.mx, www.client.mx {", "app.client.mx, http://www.client.mx {", "DEP-501"),
        ("localhost:8080 {\n\ttls internal", ":80 {", "DEP-501"),
        ("encode zstd gzip", "tls {\n\t\tprotocols tls1.1 tls1.3\n\t}", "DEP-502"),
        ("encode zstd gzip", "tls {\n\t\tciphers TLS_RSA_WITH_AES_128_GCM_SHA256\n\t}", "DEP-502"),
        ("encode zstd gzip", "tls {\n\t\tciphers TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA\n\t}", "DEP-502"),
        ("max-age=63072000", "max-age=86400", "DEP-503"),
        ("Strict-Transport-Security \"max-age=63072000; includeSubDomains\"", "X-Other a", "DEP-503"),
        ("header {", "header /api/* {", "DEP-503+"),
        (
            "Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\"",
            "X-Frame-Options DENY",
            "DEP-504",
        ),
        ("X-Content-Type-Options nosniff", "X-Other a", "DEP-505"),
        ("; frame-ancestors 'none'", "", "DEP-505"),
        ("Referrer-Policy strict", "-Referrer-Policy strict", "DEP-505"),
        ("tls_trust_pool file /etc/caddy/inner.pem", "tls_insecure_skip_verify", "DEP-506"),
        ("admin localhost:2019", "admin 0.0.0.0:2019", "DEP-507"),
        ("admin localhost:2019", "admin :2019", "DEP-507"),
        ("encode zstd gzip", "tls internal", "DEP-508"),
        ("static 10.0.0.0/8", "static 0.0.0.0/0", "DEP-509"),
        ("\tfile_server\n", "\tfile_server browse\n", "DEP-510"),
        ("default-src 'self'", "default-src 'self' 'unsafe-inline'", "DEP-513"),
        ("\tencode zstd gzip\n", "\tencode {\n", "DEP-001"),
    ] {
        let text = CADDYFILE.replace(from, to);
        assert_ne!(text, CADDYFILE, "{from}");
        let findings = audit_caddy("Caddyfile", &text);
        match id.strip_suffix('+') {
            Some(id) => assert!(findings.iter().any(|finding| finding.id == id), "{to}: {findings:#?}"),
            None => only(&findings, id, to),
        }
    }
}

#[test]
fn what_caddy_imports_from_elsewhere_is_told_and_not_missed() {
    let text = CADDYFILE.replace("import headers", "import headers.caddy");
    only(&audit_caddy("Caddyfile", &text), "DEP-512", "another file");
    let endless = "(a) {\n\timport b\n}\n(b) {\n\timport a\n}\nlocalhost {\n\timport a\n}\n";
    only(&audit_caddy("Caddyfile", endless), "DEP-512", "snippets that import one another end");
}

#[test]
fn a_caddy_finding_stands_at_its_line() {
    let text = CADDYFILE.replace("admin localhost:2019", "admin :2019");
    let finding = audit_caddy("Caddyfile", &text).remove(0);
    let span = finding.span.map(|span| (span.column, span.length));
    assert_eq!((finding.line, span), (Some(3), Some((8, 5))), "{finding:?}");
    let ignored =
        text.replace("admin :2019", "admin :2019 # golive: ignore DEP-507 -- a container of its own");
    assert!(audit_caddy("Caddyfile", &ignored).iter().all(|finding| !finding.counts()));
}

const STATIC: &str = "\
entryPoints:
  web:
    address: \":80\"
    http:
      redirections:
        entryPoint:
          to: websecure
          scheme: https
  websecure:
    address: \":443\"
    forwardedHeaders:
      trustedIPs: [10.0.0.0/8]
  inner:
    address: \"127.0.0.1:80\"
api:
  dashboard: true
providers:
  docker:
    exposedByDefault: false
serversTransport:
  rootCAs: [/etc/traefik/inner.pem]
certificatesResolvers:
  public:
    acme: { email: ops@client.mx, storage: /data/acme.json, tlsChallenge: {} }
";

const DYNAMIC: &str = "\
http:
  routers:
    app:
      rule: Host(`app.client.mx`)
      entryPoints: [websecure]
      middlewares: [all@file]
      service: app
      tls: { certResolver: public }
    old:
      rule: Host(`old.client.mx`)
      middlewares: [to-https]
      service: app
    dashboard:
      rule: Host(`traefik.client.mx`)
      entryPoints: [websecure]
      middlewares: [login]
      service: api@internal
      tls: {}
  middlewares:
    all:
      chain: { middlewares: [compress, headers] }
    compress:
      compress: {}
    login:
      basicAuth: { usersFile: /run/secrets/users }
    to-https:
      redirectScheme: { scheme: https, permanent: true }
    headers:
      headers:
        stsSeconds: 63072000
        contentTypeNosniff: true
        frameDeny: true
        contentSecurityPolicy: \"default-src 'self'\"
        referrerPolicy: no-referrer
  services:
    app:
      loadBalancer: { servers: [{ url: \"https://app:8000\" }], serversTransport: inner }
  serversTransports:
    inner:
      rootCAs: [/etc/traefik/inner.pem]
tls:
  options:
    default:
      minVersion: VersionTLS12
      cipherSuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]
";

#[test]
fn good_traefik_files_have_no_finding() {
    assert_eq!(audit_traefik("traefik.yml", STATIC), Vec::new());
    assert_eq!(audit_traefik("dynamic.yml", DYNAMIC), Vec::new());
    assert_eq!(audit_traefik("all.yml", &format!("{STATIC}{DYNAMIC}")), Vec::new());
}

#[test]
fn traefik_rules() {
    for (text, from, to, id) in [
        (STATIC, "          to: websecure\n", "", "DEP-501"),
        (STATIC, "scheme: https", "scheme: http", "DEP-501"),
        (STATIC, "\"127.0.0.1:80\"", "\"10.1.2.3:80/tcp\"", "DEP-501"),
        (DYNAMIC, "middlewares: [to-https]", "priority: 3", "DEP-501"),
        (DYNAMIC, "VersionTLS12", "VersionTLS11", "DEP-502"),
        (DYNAMIC, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256", "DEP-502"),
        (DYNAMIC, "stsSeconds: 63072000", "stsSeconds: 86400", "DEP-503"),
        (DYNAMIC, "        stsSeconds: 63072000\n", "", "DEP-503"),
        (DYNAMIC, "        contentSecurityPolicy: \"default-src 'self'\"\n", "", "DEP-504"),
        (DYNAMIC, "contentTypeNosniff: true", "contentTypeNosniff: false", "DEP-505"),
        (DYNAMIC, "frameDeny: true", "customResponseHeaders: { X-Frame-Options: \"\" }", "DEP-505"),
        (DYNAMIC, "        referrerPolicy: no-referrer\n", "", "DEP-505"),
        (STATIC, "rootCAs: [/etc/traefik/inner.pem]", "insecureSkipVerify: true", "DEP-506"),
        (DYNAMIC, "rootCAs: [/etc/traefik/inner.pem]", "insecureSkipVerify: true", "DEP-506"),
        (STATIC, "dashboard: true", "insecure: true", "DEP-507"),
        (STATIC, "trustedIPs: [10.0.0.0/8]", "insecure: true", "DEP-509"),
        (STATIC, "[10.0.0.0/8]", "[\"0.0.0.0/0\"]", "DEP-509"),
        (STATIC, "exposedByDefault: false", "network: edge", "DEP-511"),
        (DYNAMIC, "default-src 'self'", "script-src 'unsafe-inline'", "DEP-513"),
        (STATIC, "api:", "api: [", "DEP-001"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        only(&audit_traefik("traefik.yml", &changed), id, to);
    }
}

#[test]
fn what_other_providers_of_traefik_bring_is_not_missed() {
    for (from, to) in [
        ("middlewares: [all@file]", "middlewares: [headers@docker]"),
        ("middlewares: [all@file]", "middlewares: [from-another-file]"),
        ("compress: {}", "plugin: { headers: {} }"),
    ] {
        let text = DYNAMIC.replace(from, to).replace("        stsSeconds: 63072000\n", "");
        assert_eq!(audit_traefik("dynamic.yml", &text), Vec::new(), "{to}");
    }
}
