//! The audit of a compose file, service by service. What an extension field merges in counts as written.

use super::yaml::{Node, parse};
use super::{ImagePin, image_pin, is_secret_name};
use crate::finding::Finding;

/// Ports of data stores: none of them belongs on a public interface.
const STORE_PORTS: &[&str] =
    &["3306", "33060", "5432", "6379", "26379", "27017", "11211", "9200", "1433", "5672"];
const STORE_IMAGES: &[&str] =
    &["mariadb", "mysql", "postgres", "redis", "valkey", "mongo", "memcached", "elasticsearch"];

pub(super) fn audit(name: &str, text: &str) -> Vec<Finding> {
    let mut audit = Audit { name, findings: Vec::new() };
    match parse(text) {
        Ok(root) => match root.get("services") {
            Some(services) if !services.entries().is_empty() => {
                for (service, node) in services.entries() {
                    audit.service(services, service, node);
                }
                audit.mode(services);
            }
            _ => audit.find("DEP-001", 1, "has no services: it is not a compose file"),
        },
        Err(error) => audit.find("DEP-001", error.line, format!("is not YAML: {}", error.reason)),
    }
    audit.findings
}

struct Audit<'a> {
    name: &'a str,
    findings: Vec<Finding>,
}

impl Audit<'_> {
    fn find(&mut self, id: &'static str, line: u32, message: impl Into<String>) {
        self.findings.push(Finding::of(id, message).at(self.name, line));
    }

    /// What of its line the last finding is about.
    fn about(&mut self, token: impl Into<String>) {
        if let Some(finding) = self.findings.pop() {
            self.findings.push(finding.about(token));
        }
    }

    fn service(&mut self, services: &Node, name: &str, node: &Node) {
        let runs_once = runs_once(services, name, node);
        self.limits(name, node);
        self.health(name, node, runs_once);
        self.image(name, node);
        self.ports(name, node);
        self.privileges(name, node);
        self.dependencies(services, name, node);
        self.environment(name, node);
        self.lifetime(name, node, runs_once);
    }

    fn limits(&mut self, name: &str, node: &Node) {
        let limit = |short: &str, long: &str| {
            node.get(short).is_some() || node.at(&["deploy", "resources", "limits", long]).is_some()
        };
        if !limit("mem_limit", "memory") {
            self.find("DEP-201", node.line, format!("service {name} has no memory limit"));
        }
        if !limit("cpus", "cpus") && node.get("cpu_quota").is_none() {
            self.find("DEP-202", node.line, format!("service {name} has no CPU limit"));
        }
    }

    fn health(&mut self, name: &str, node: &Node, runs_once: bool) {
        if runs_once {
            return;
        }
        let Some(check) = node.get("healthcheck").filter(|check| !is_disabled(check)) else {
            // An image that we build may bring its own; that is the Dockerfile's audit to say.
            if node.get("build").is_none() || node.get("healthcheck").is_some() {
                self.find("DEP-203", node.line, format!("service {name} has no health check"));
            }
            return;
        };
        let Some(test) = check.get("test") else { return };
        let words = words(test);
        let login = ["/api/v1/users", "/me", "/admin", "/dashboard"];
        if words.contains("http") && login.iter().any(|path| words.contains(path)) {
            self.find(
                "DEP-217",
                test.line,
                format!("the health check of {name} asks an address that needs a login"),
            );
        }
    }

    fn image(&mut self, name: &str, node: &Node) {
        let Some(image) = node.get("image") else { return };
        let Some(text) = image.text() else { return };
        // A variable is judged by its default; without one whoever starts it must choose.
        let text = with_defaults(text);
        let ours = node.get("build").is_some();
        if !ours && !text.contains('$') && image_pin(&text) == ImagePin::None {
            self.find("DEP-205", image.line, format!("service {name} uses {text} without a version"));
            self.about(image.text().unwrap_or_default());
        }
    }

    fn ports(&mut self, name: &str, node: &Node) {
        let store = node.get("image").and_then(Node::text).is_some_and(|image| {
            STORE_IMAGES.iter().any(|store| image.rsplit('/').next().unwrap_or(image).starts_with(store))
        });
        for port in node.get("ports").map(Node::items).unwrap_or_default() {
            let (host, container) = match port.text() {
                Some(text) => split_port(text),
                None => (
                    port.get("host_ip").and_then(Node::text).unwrap_or_default().to_owned(),
                    port.get("target").and_then(Node::text).unwrap_or_default().to_owned(),
                ),
            };
            let local =
                host.starts_with("127.") || host.starts_with("localhost") || host == "::1" || host == "[::1]";
            if (store || STORE_PORTS.contains(&container.as_str())) && !local {
                self.find(
                    "DEP-204",
                    port.line,
                    format!("service {name} publishes port {container} of a data store"),
                );
                self.about(port.text().unwrap_or_default());
            }
        }
    }

    fn privileges(&mut self, name: &str, node: &Node) {
        if let Some(privileged) = node.get("privileged").filter(|node| node.is_true()) {
            self.find("DEP-206", privileged.line, format!("service {name} is privileged"));
        }
        for key in ["network_mode", "pid", "ipc", "uts", "userns_mode"] {
            if let Some(shared) = node.get(key).filter(|node| node.text() == Some("host")) {
                self.find("DEP-216", shared.line, format!("service {name} shares the host's {key}"));
            }
        }
        for volume in node.get("volumes").map(Node::items).unwrap_or_default() {
            let source =
                volume.text().or_else(|| volume.get("source").and_then(Node::text)).unwrap_or_default();
            if source.contains("docker.sock")
                || source.contains("podman.sock")
                || source.contains("containerd.sock")
            {
                self.find(
                    "DEP-211",
                    volume.line,
                    format!("service {name} mounts the container engine's socket"),
                );
                self.about(source);
            }
        }
        let options = node.get("security_opt").map(Node::items).unwrap_or_default();
        let held = options
            .iter()
            .filter_map(Node::text)
            .any(|option| option.starts_with("no-new-privileges") && !option.ends_with("false"));
        if !held {
            self.find("DEP-213", node.line, format!("service {name} may gain privileges"));
        }
    }

    fn dependencies(&mut self, services: &Node, name: &str, node: &Node) {
        let Some(depends) = node.get("depends_on") else { return };
        for item in depends.items() {
            let Some(on) = item.text() else { continue };
            self.find("DEP-207", item.line, format!("service {name} does not wait until {on} is healthy"));
            self.about(on);
            self.exists(services, name, on, item.line);
        }
        for (on, how) in depends.entries() {
            if !self.exists(services, name, on, how.line) {
                continue;
            }
            match how.get("condition").and_then(Node::text) {
                Some("service_healthy") => {
                    let target = services.get(on);
                    let check = target.and_then(|target| target.get("healthcheck"));
                    let built = target.is_some_and(|target| target.get("build").is_some());
                    if check.is_some_and(is_disabled) || (check.is_none() && !built) {
                        self.find(
                            "DEP-208",
                            how.line,
                            format!("service {name} waits for {on} to be healthy, which has no health check"),
                        );
                    }
                }
                Some("service_completed_successfully") => {}
                _ => self.find(
                    "DEP-207",
                    how.line,
                    format!("service {name} does not wait until {on} is healthy"),
                ),
            }
        }
    }

    fn exists(&mut self, services: &Node, name: &str, on: &str, line: u32) -> bool {
        let exists = services.get(on).is_some();
        if !exists {
            self.find(
                "DEP-208",
                line,
                format!("service {name} waits for {on}, which is no service of this file"),
            );
            self.about(on);
        }
        exists
    }

    fn environment(&mut self, name: &str, node: &Node) {
        for (variable, value, line) in variables(node) {
            // A switch such as MARIADB_RANDOM_ROOT_PASSWORD is no secret.
            let switch =
                ["yes", "no", "true", "false", "0", "1"].contains(&value.to_ascii_lowercase().as_str());
            if !is_secret_name(&variable) || value.is_empty() || switch {
                continue;
            }
            if !value.contains('$') {
                if is_bare_address(&value) {
                    continue;
                }
                self.find(
                    "DEP-210",
                    line,
                    format!("service {name} has the value of {variable} written into the file"),
                );
                self.about(&variable);
            } else if let Some(default) = default_of(&value).filter(|default| !default.is_empty()) {
                if !is_bare_address(&default) {
                    self.find(
                        "DEP-210",
                        line,
                        format!("service {name} has a default for {variable} written into the file"),
                    );
                    self.about(&variable);
                }
            } else if !value.contains(":?") && !value.contains("?") {
                self.find(
                    "DEP-209",
                    line,
                    format!("service {name} starts without {variable} when it is unset"),
                );
                self.about(&variable);
            }
        }
    }

    fn lifetime(&mut self, name: &str, node: &Node, runs_once: bool) {
        let policy = node.get("restart").and_then(Node::text);
        let swarm = node.at(&["deploy", "restart_policy"]).is_some();
        if !runs_once && !swarm && matches!(policy, None | Some("no" | "false")) {
            self.find("DEP-212", node.line, format!("service {name} is not restarted"));
        }
        let driver = node.at(&["logging", "driver"]).and_then(Node::text).unwrap_or("json-file");
        if driver == "json-file" && node.at(&["logging", "options", "max-size"]).is_none() {
            self.find("DEP-214", node.line, format!("the log of service {name} is not bounded"));
        }
    }

    /// At least one service that we build must be told that this is production.
    fn mode(&mut self, services: &Node) {
        let names =
            ["ENVIRONMENT", "APP_ENV", "NODE_ENV", "RAILS_ENV", "DJANGO_ENV", "FLASK_ENV", "RUST_ENV", "ENV"];
        let told = |node: &Node| {
            node.get("env_file").is_some()
                || variables(node).iter().any(|(name, value, _)| {
                    let value = default_of(value).unwrap_or_else(|| value.clone());
                    names.contains(&name.as_str())
                        && (value.eq_ignore_ascii_case("production")
                            || value.eq_ignore_ascii_case("prod")
                            || value.contains('$'))
                })
        };
        // Only services that take a database are the application; a proxy that is built has no mode.
        let applications = services.entries().iter().filter(|(_, node)| {
            variables(node)
                .iter()
                .any(|(name, _, _)| ["DATABASE_URL", "SECRET_KEY", "REDIS_URL"].contains(&name.as_str()))
        });
        for (name, node) in applications.filter(|(_, node)| !told(node)) {
            self.find("DEP-215", node.line, format!("service {name} is not told that this is production"));
        }
    }
}

/// A job that ends is neither checked nor restarted.
fn runs_once(services: &Node, name: &str, node: &Node) -> bool {
    let awaits_its_end = |other: &Node| {
        other.at(&["depends_on", name, "condition"]).and_then(Node::text)
            == Some("service_completed_successfully")
    };
    if services.entries().iter().any(|(_, other)| awaits_its_end(other)) {
        return true;
    }
    matches!(node.get("restart").and_then(Node::text), Some("no" | "on-failure"))
        && node.get("healthcheck").is_none()
        && node.get("ports").is_none()
        && node.get("command").is_some()
}

/// An address without user, password and query, such as `redis://cache:6379/0`, is no secret; a query may hold one.
fn is_bare_address(value: &str) -> bool {
    value.contains("://") && !value.contains(['@', '?', '#'])
}

fn is_disabled(check: &Node) -> bool {
    check.get("disable").is_some_and(Node::is_true)
        || check.get("test").is_some_and(|test| words(test).trim() == "NONE")
}

fn words(node: &Node) -> String {
    match node.text() {
        Some(text) => text.to_owned(),
        None => node.items().iter().filter_map(Node::text).collect::<Vec<_>>().join(" "),
    }
}

/// Variables of a service, as map or as list.
fn variables(node: &Node) -> Vec<(String, String, u32)> {
    let Some(environment) = node.get("environment") else { return Vec::new() };
    let map = environment
        .entries()
        .iter()
        .map(|(name, node)| (name.clone(), node.text().unwrap_or_default().to_owned(), node.line));
    let list = environment.items().iter().filter_map(|item| {
        let (name, value) = item.text()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned(), item.line))
    });
    map.chain(list).collect()
}

/// The text with each `${NAME:-default}` replaced by its default.
fn with_defaults(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inner, tail)) = after.split_once('}') else {
            rest = &rest[before.len()..];
            break;
        };
        match inner.split_once(":-") {
            Some((_, default)) => out.push_str(default),
            None => {
                out.push('$');
                out.push_str(inner);
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The default in `${NAME:-default}`, when the whole value is one such.
fn default_of(value: &str) -> Option<String> {
    let inner = value.strip_prefix("${")?.strip_suffix('}')?;
    let (_, default) = inner.split_once(":-").or_else(|| inner.split_once('-'))?;
    Some(default.to_owned())
}

/// Host address and container port of the short form. Without an address it is published everywhere.
fn split_port(text: &str) -> (String, String) {
    let text = text.split('/').next().unwrap_or(text);
    let (rest, container) = text.rsplit_once(':').unwrap_or(("", text));
    let host = rest.rsplit_once(':').map_or("", |(host, _)| host);
    (host.to_owned(), container.to_owned())
}
