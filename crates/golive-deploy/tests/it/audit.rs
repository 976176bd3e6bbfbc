//! Each rule with a file that violates it, and files that are as they should be with no finding at all.

use std::collections::BTreeSet;

use golive_deploy::{
    AuditFile, AuditInputs, AuditKind, Finding, audit_compose, audit_dockerfile, audit_files, audit_nginx,
    explain,
};

fn ids(findings: &[Finding]) -> BTreeSet<String> {
    for finding in findings {
        assert!(explain(&finding.id).is_some(), "{finding:?}");
        assert!(finding.line.is_some(), "{finding:?}");
    }
    findings.iter().map(|finding| finding.id.clone()).collect()
}

fn only(findings: &[Finding], id: &str) {
    assert_eq!(ids(findings), BTreeSet::from([id.to_owned()]), "{findings:#?}");
}

const DOCKERFILE: &str = "\
# syntax=docker/dockerfile:1
FROM rust:1.94@sha256:aa AS build
WORKDIR /src
COPY . .
RUN cargo build --release
FROM debian:12.7-slim@sha256:bb
COPY --from=build /src/target/release/app /usr/local/bin/app
ENV PORT=8000 DB_PASSWORD_FILE=/run/secrets/db
USER 10001:10001
HEALTHCHECK --interval=10s CMD [\"app\", \"health\"]
ENTRYPOINT [\"app\"]
";

#[test]
fn a_good_dockerfile_has_no_finding() {
    assert_eq!(audit_dockerfile("Dockerfile", DOCKERFILE), Vec::new());
}

#[test]
fn dockerfile_rules() {
    for (from, to, id) in [
        ("USER 10001:10001\n", "", "DEP-102"),
        ("USER 10001:10001", "USER root", "DEP-102"),
        ("USER 10001:10001", "USER app", "DEP-103"),
        ("debian:12.7-slim@sha256:bb", "debian", "DEP-104"),
        ("debian:12.7-slim@sha256:bb", "debian:latest", "DEP-104"),
        ("@sha256:bb", "", "DEP-105"),
        ("ENV PORT=8000", "ENV PORT=8000 API_KEY=abc", "DEP-106"),
        ("ENV PORT=8000", "ARG GITHUB_TOKEN\nENV PORT=8000", "DEP-106"),
        ("HEALTHCHECK --interval=10s CMD [\"app\", \"health\"]\n", "", "DEP-107"),
        ("HEALTHCHECK --interval=10s CMD [\"app\", \"health\"]", "HEALTHCHECK NONE", "DEP-107"),
        ("ENTRYPOINT [\"app\"]", "CMD app --serve", "DEP-108"),
        ("WORKDIR /src", "ADD https://example.org/x /x", "DEP-109"),
        ("COPY . .", "ADD src src", "DEP-110"),
        ("USER 10001", "COPY . /app\nUSER 10001", "DEP-111"),
        ("RUN cargo", "RUN curl -fsSL https://example.org/i.sh | bash\nRUN cargo", "DEP-112"),
        ("RUN cargo", "RUN <<EOF\ncurl https://example.org/i.sh | sh\nEOF\nRUN cargo", "DEP-112"),
        ("RUN cargo", "RUN sudo make && cargo", "DEP-113"),
        ("ENTRYPOINT [\"app\"]\n", "", "DEP-114"),
    ] {
        let text = DOCKERFILE.replace(from, to);
        assert_ne!(text, DOCKERFILE, "{from}");
        only(&audit_dockerfile("Dockerfile", &text), id);
    }
}

#[test]
fn one_stage_that_builds_is_found_and_lines_are_right() {
    let text = "FROM python:3.12\n\nRUN apt-get update && apt-get install -y gcc\nCMD [\"x\"]\n";
    let findings = audit_dockerfile("Dockerfile", text);
    assert_eq!(ids(&findings), ["DEP-101", "DEP-102", "DEP-105", "DEP-107"].map(str::to_owned).into());
    let text = "FROM scratch\nENV A=1 \\\n  B=2\nENV SECRET_KEY=x\n";
    let finding = audit_dockerfile("D", text).into_iter().find(|f| f.id == "DEP-106").expect("found");
    assert_eq!((finding.file.as_deref(), finding.line), (Some("D"), Some(4)));
}

#[test]
fn a_stage_inherits_from_the_stage_it_is_built_from() {
    let text = "FROM debian:12@sha256:a AS base\nUSER 1000\nHEALTHCHECK CMD [\"x\"]\nCMD [\"x\"]\nFROM base\nLABEL a=b\n";
    assert_eq!(audit_dockerfile("D", text), Vec::new());
}

const COMPOSE: &str = "\
x-common: &common
  restart: unless-stopped
  security_opt: [no-new-privileges:true]
  logging: { driver: json-file, options: { max-size: 10m, max-file: \"3\" } }
services:
  app:
    <<: *common
    image: registry.client.mx/app:1.4.2
    mem_limit: 512m
    cpus: 1.0
    environment:
      ENVIRONMENT: production
      SECRET_KEY: ${SECRET_KEY:?set SECRET_KEY}
      DATABASE_URL: ${DATABASE_URL:?set DATABASE_URL}
    healthcheck: { test: [\"CMD\", \"app\", \"health\"], interval: 10s }
    depends_on:
      db: { condition: service_healthy }
  db:
    <<: *common
    image: mariadb:10.11.9
    deploy: { resources: { limits: { memory: 1g, cpus: \"1\" } } }
    ports: [\"127.0.0.1:3306:3306\"]
    healthcheck: { test: [\"CMD\", \"healthcheck.sh\", \"--connect\"] }
";

#[test]
fn a_good_compose_file_has_no_finding() {
    assert_eq!(audit_compose("compose.yml", COMPOSE), Vec::new());
}

#[test]
fn compose_rules() {
    for (from, to, id) in [
        ("    mem_limit: 512m\n", "", "DEP-201"),
        ("memory: 1g, ", "", "DEP-201"),
        ("    cpus: 1.0\n", "", "DEP-202"),
        ("    healthcheck: { test: [\"CMD\", \"app\", \"health\"], interval: 10s }\n", "", "DEP-203"),
        ("127.0.0.1:3306:3306", "3306:3306", "DEP-204"),
        ("[\"127.0.0.1:3306:3306\"]", "[{ target: 3306, published: 3306 }]", "DEP-204"),
        ("app:1.4.2", "app", "DEP-205"),
        ("app:1.4.2", "app:${TAG:-latest}", "DEP-205"),
        ("    mem_limit", "    privileged: true\n    mem_limit", "DEP-206"),
        ("db: { condition: service_healthy }", "- db", "DEP-207"),
        ("service_healthy", "service_started", "DEP-207"),
        ("      db: { condition", "      cache: { condition", "DEP-208"),
        ("${SECRET_KEY:?set SECRET_KEY}", "${SECRET_KEY}", "DEP-209"),
        ("${SECRET_KEY:?set SECRET_KEY}", "abcdef", "DEP-210"),
        ("${SECRET_KEY:?set SECRET_KEY}", "${SECRET_KEY:-abcdef}", "DEP-210"),
        ("    mem_limit", "    volumes: [\"/var/run/docker.sock:/d\"]\n    mem_limit", "DEP-211"),
        ("  restart: unless-stopped\n", "  labels: {}\n", "DEP-212"),
        ("no-new-privileges:true", "label:x", "DEP-213"),
        ("max-size: 10m, ", "", "DEP-214"),
        ("      ENVIRONMENT: production\n", "", "DEP-215"),
        ("    mem_limit", "    network_mode: host\n    mem_limit", "DEP-216"),
        ("\"app\", \"health\"", "\"curl\", \"http://x/api/v1/users\"", "DEP-217"),
    ] {
        let text = COMPOSE.replace(from, to);
        assert_ne!(text, COMPOSE, "{from}");
        let findings = audit_compose("compose.yml", &text);
        assert!(ids(&findings).contains(id), "{id}: {findings:#?}");
        let others: Vec<&Finding> = findings.iter().filter(|finding| finding.id != id).collect();
        assert!(others.is_empty(), "{id}: {others:#?}");
    }
}

#[test]
fn a_dependency_without_health_check_is_never_met() {
    let text =
        COMPOSE.replace("    healthcheck: { test: [\"CMD\", \"healthcheck.sh\", \"--connect\"] }\n", "");
    assert_eq!(ids(&audit_compose("c", &text)), ["DEP-203", "DEP-208"].map(str::to_owned).into());
}

const NGINX: &str = "\
server {
    listen 80 default_server;
    server_name app.client.mx;
    server_tokens off;
    return 301 https://$host$request_uri;
}
server {
    listen 443 ssl http2;
    server_name app.client.mx;
    server_tokens off;
    ssl_certificate /etc/ssl/a.pem;
    ssl_certificate_key /etc/ssl/a.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:!aNULL;
    ssl_session_tickets off;
    add_header Strict-Transport-Security \"max-age=63072000\" always;
    add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy no-referrer always;
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}
";

#[test]
fn a_good_nginx_file_has_no_finding() {
    assert_eq!(audit_nginx("app.conf", NGINX), Vec::new());
    assert_eq!(audit_nginx("nginx.conf", &format!("events {{}}\nhttp {{\n{NGINX}}}\n")), Vec::new());
}

#[test]
fn nginx_rules() {
    for (from, to, id) in [
        ("ssl http2;\n    server_name app.client.mx;", "ssl http2;\n    server_name localhost;", "DEP-301"),
        (
            "    return 301",
            "    add_header Strict-Transport-Security \"max-age=63072000\" always;\n    return 301",
            "DEP-302",
        ),
        (
            "    add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;\n",
            "    add_header X-Frame-Options DENY always;\n",
            "DEP-303",
        ),
        (
            "        proxy_pass",
            "        add_header Cache-Control no-store always;\n        proxy_pass",
            "DEP-304",
        ),
        ("TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2", "DEP-305"),
        ("    ssl_protocols TLSv1.2 TLSv1.3;\n", "", "DEP-305"),
        ("    ssl_certificate /etc/ssl/a.pem;\n", "", "DEP-318"),
        ("    server_tokens off;\n    ssl", "    ssl", "DEP-307"),
        ("max-age=63072000", "max-age=86400", "DEP-308"),
        ("nosniff always", "nosniff", "DEP-309"),
        ("ECDHE-RSA-AES256-GCM-SHA384:!aNULL", "HIGH:!aNULL", "DEP-310"),
        ("    add_header Referrer-Policy no-referrer always;\n", "", "DEP-311"),
        ("    location / {", "    location /files { alias /srv/files/; }\n    location / {", "DEP-312"),
        ("$host$request_uri", "$host$uri", "DEP-313"),
        ("        proxy_set_header X-Forwarded-Proto $scheme;\n", "", "DEP-314"),
        ("Host $host", "Host $http_host", "DEP-315"),
        ("default-src 'self'", "default-src 'self' 'unsafe-inline'", "DEP-316"),
        ("    location / {", "    location /l/ { autoindex on; }\n    location / {", "DEP-317"),
        ("    ssl_session_tickets off;\n", "", "DEP-319"),
        (
            "server_name app.client.mx;\n    server_tokens off;\n    return 301",
            "server_name app.client.mx;\n    return 301",
            "DEP-307",
        ),
    ] {
        let text = NGINX.replace(from, to);
        assert_ne!(text, NGINX, "{from}");
        only(&audit_nginx("app.conf", &text), id);
    }
}

#[test]
fn what_an_include_brings_is_not_guessed() {
    let header =
        "        include snippets/headers.conf;\n        add_header X-A b always;\n        proxy_pass";
    only(&audit_nginx("a", &NGINX.replace("        proxy_pass", header)), "DEP-320");
    let policy =
        "    add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;\n";
    only(&audit_nginx("a", &NGINX.replace(policy, "    include snippets/headers.conf;\n")), "DEP-320");
    let harmless = NGINX.replace("        proxy_pass", "        include proxy_params;\n        proxy_pass");
    assert_eq!(audit_nginx("a", &harmless), Vec::new());
}

#[test]
fn includes_that_are_at_hand_count_as_written_out() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        (AuditKind::Nginx, path)
    };
    let main =
        write("nginx.conf", "events {}\nhttp {\n    include mime.types;\n    include conf.d/*.conf;\n}\n");
    let policy =
        "    add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;\n";
    let site = write("conf.d/site.conf", &NGINX.replace(policy, "    include snippets/policy.conf;\n"));
    let snippet = write("snippets/policy.conf", policy);
    let audit = |files: &[_]| audit_files(&AuditInputs::read(files).unwrap());
    let all = [main.clone(), site.clone(), snippet.clone()];
    assert_eq!(audit(std::slice::from_ref(&main)), Vec::new());
    assert_eq!(audit(&all), Vec::new(), "parts are judged within the whole");

    write("snippets/policy.conf", &policy.replace("'self'", "'self' 'unsafe-inline'"));
    let findings = audit(std::slice::from_ref(&main));
    only(&findings, "DEP-316");
    assert_eq!(findings[0].file.as_deref(), snippet.1.to_str(), "it is found where it stands");
    assert_eq!((findings[0].line, findings.len()), (Some(1), 1));

    write("snippets/policy.conf", "    add_header\n");
    assert!(
        ids(&audit(std::slice::from_ref(&main)))
            .is_superset(&["DEP-001", "DEP-320"].map(String::from).into())
    );
    std::fs::remove_file(&snippet.1).unwrap();
    only(&audit(std::slice::from_ref(&main)), "DEP-320");
    write(
        "snippets/policy.conf",
        "    include ../snippets/policy.conf;\n    include snippets/policy.conf;\n",
    );
    only(&audit(std::slice::from_ref(&main)), "DEP-320");
    let outside = write("outside.conf", &NGINX.replace(policy, "    include /etc/passwd;\n"));
    only(&audit(&[outside]), "DEP-320");

    let one = write("one.conf", "include two.conf;\nserver { listen 80; server_name localhost; }\n");
    let two = write("two.conf", "include one.conf;\n");
    assert!(ids(&audit(&[one, two])).contains("DEP-301"), "files that include each other are judged");
}

#[test]
fn switches_are_no_secrets() {
    let switch = "    environment: { MARIADB_RANDOM_ROOT_PASSWORD: \"yes\" }\n    ports";
    assert_eq!(audit_compose("c", &COMPOSE.replace("    ports", switch)), Vec::new());
}

#[test]
fn plain_http_without_redirect_is_found() {
    let text =
        NGINX.replace("    return 301 https://$host$request_uri;\n", "    location / { root /srv; }\n");
    assert!(ids(&audit_nginx("a", &text)).contains("DEP-306"));
    let findings = audit_nginx("a", "server { listen 8080; server_name a.mx; }");
    assert!(ids(&findings).contains("DEP-306"));
}

#[test]
fn a_nested_header_names_what_it_drops() {
    let text = NGINX.replace("        proxy_pass", "        add_header X-A b always;\n        proxy_pass");
    let findings = audit_nginx("a", &text);
    assert!(findings[0].message.contains("Content-Security-Policy"), "{findings:#?}");
    assert_eq!(findings[0].line, Some(21));
}

#[test]
fn broken_files_are_one_finding_with_their_line() {
    only(&audit_dockerfile("d", "FROM debian\nNOT AN INSTRUCTION\n"), "DEP-001");
    only(&audit_compose("c", "services:\n  a: [\n"), "DEP-001");
    only(&audit_compose("c", "just text"), "DEP-001");
    only(&audit_nginx("n", "server {\n listen 80\n}\n"), "DEP-001");
}

#[test]
fn files_are_read_and_all_audited() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("Dockerfile");
    std::fs::write(&path, "FROM debian\n").expect("written");
    let mut inputs = AuditInputs::read(&[(AuditKind::Dockerfile, path)]).expect("read");
    inputs.files.push(AuditFile::new(AuditKind::Nginx, "a.conf", NGINX));
    assert!(
        audit_files(&inputs)
            .iter()
            .all(|finding| finding.file.as_deref().is_some_and(|f| f.ends_with("Dockerfile")))
    );
    assert!(AuditInputs::read(&[(AuditKind::Compose, folder.path().join("none"))]).is_err());
}

proptest::proptest! {
    /// Whatever is cut out of a file and put elsewhere: an answer, and no panic.
    #[test]
    fn no_text_panics(from in 0_usize..900, length in 0_usize..200, to in 0_usize..900, noise in "[^a]{0,8}") {
        for (text, audit) in [
            (DOCKERFILE, audit_dockerfile as fn(&str, &str) -> Vec<Finding>),
            (COMPOSE, audit_compose),
            (NGINX, audit_nginx),
        ] {
            let mut letters: Vec<char> = text.chars().collect();
            let from = from.min(letters.len());
            let cut: Vec<char> = letters.drain(from..(from + length).min(letters.len())).collect();
            let to = to.min(letters.len());
            letters.splice(to..to, noise.chars().chain(cut));
            let _ = audit("file", &letters.iter().collect::<String>());
        }
    }
}
