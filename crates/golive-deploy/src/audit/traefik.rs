//! The audit of Traefik's files, static and dynamic, in YAML.
//!
//! A router often takes its middlewares from another file or provider: what those bring is not missed.

use super::headers::{Sent, Site, judge};
use super::yaml::{Node, parse};
use crate::finding::Finding;
use crate::tls::is_weak_suite;

/// Chains of chains.
const MAX_CHAINS_DEEP: usize = 8;

pub(super) fn audit(name: &str, text: &str) -> Vec<Finding> {
    let root = match parse(text) {
        Ok(root) => root,
        Err(error) => {
            let message = format!("is not YAML: {}", error.reason);
            return vec![Finding::of("DEP-001", message).at(name, error.line)];
        }
    };
    let mut audit = Audit { name, findings: Vec::new() };
    audit.entry_points(&root);
    audit.own_interface(&root);
    audit.transports(&root);
    audit.tls(&root);
    audit.routers(&root);
    audit.findings
}

struct Audit<'a> {
    name: &'a str,
    findings: Vec<Finding>,
}

impl Audit<'_> {
    fn find(&mut self, id: &'static str, line: u32, token: &str, message: impl Into<String>) {
        self.findings.push(Finding::of(id, message).at(self.name, line).about(token));
    }

    fn entry_points(&mut self, root: &Node) {
        for (name, point) in root.get("entryPoints").map(Node::entries).unwrap_or_default() {
            let address = point.get("address").and_then(Node::text).unwrap_or_default();
            let redirection = point.at(&["http", "redirections", "entryPoint"]);
            // To be encrypted is the default of a redirection's scheme.
            let redirects = redirection.is_some_and(|to| {
                to.get("to").is_some()
                    && to.get("scheme").and_then(Node::text).is_none_or(|scheme| scheme == "https")
            });
            let port = address.split('/').next().and_then(|address| address.rsplit(':').next());
            if port == Some("80") && !redirects && !is_local(address) {
                self.find(
                    "DEP-501",
                    point.line,
                    name,
                    format!("the entry point {name} does not redirect to https"),
                );
            }
            for key in ["forwardedHeaders", "proxyProtocol"] {
                let Some(trust) = point.get(key) else { continue };
                let everybody = trust.get("trustedIPs").map(Node::items).unwrap_or_default().iter();
                let mut everybody = everybody.filter_map(Node::text);
                let is_open = everybody.any(|network| ["0.0.0.0/0", "::/0"].contains(&network));
                if is_open || trust.get("insecure").is_some_and(Node::is_true) {
                    self.find("DEP-509", trust.line, key, format!("{name} believes {key} of everybody"));
                }
            }
        }
    }

    fn own_interface(&mut self, root: &Node) {
        if let Some(insecure) = root.at(&["api", "insecure"]).filter(|insecure| insecure.is_true()) {
            self.find(
                "DEP-507",
                insecure.line,
                "insecure",
                "dashboard and API answer everybody on port 8080",
            );
        }
        for provider in ["docker", "swarm"] {
            let Some(docker) = root.at(&["providers", provider]) else { continue };
            if docker.get("exposedByDefault").is_none_or(Node::is_true) {
                let message = format!("every container of {provider} is published unless it objects");
                self.find("DEP-511", docker.line, "exposedByDefault", message);
            }
        }
    }

    fn transports(&mut self, root: &Node) {
        let named = root.at(&["http", "serversTransports"]).map(Node::entries).unwrap_or_default();
        let named = named.iter().map(|(_, transport)| transport);
        for transport in root.get("serversTransport").into_iter().chain(named) {
            if let Some(skip) = transport.get("insecureSkipVerify").filter(|skip| skip.is_true()) {
                let message = "any certificate of the service behind is accepted";
                self.find("DEP-506", skip.line, "insecureSkipVerify", message);
            }
        }
    }

    fn tls(&mut self, root: &Node) {
        for (name, options) in root.at(&["tls", "options"]).map(Node::entries).unwrap_or_default() {
            if let Some(least) = options.get("minVersion")
                && least
                    .text()
                    .is_some_and(|text| ["VersionTLS10", "VersionTLS11", "VersionSSL30"].contains(&text))
            {
                let old = least.text().unwrap_or_default();
                self.find("DEP-502", least.line, old, format!("the TLS options {name} accept {old}"));
            }
            for suite in options.get("cipherSuites").map(Node::items).unwrap_or_default() {
                if let Some(weak) = suite.text().filter(|suite| is_weak_suite(suite)) {
                    self.find("DEP-502", suite.line, weak, format!("the TLS options {name} accept {weak}"));
                }
            }
        }
    }

    fn routers(&mut self, root: &Node) {
        let points = root.get("entryPoints").map(Node::entries).unwrap_or_default();
        let encrypts = |name: &str| {
            points.iter().any(|(known, point)| known == name && point.at(&["http", "tls"]).is_some())
        };
        for (name, router) in root.at(&["http", "routers"]).map(Node::entries).unwrap_or_default() {
            let mut brought = Brought::default();
            for middleware in router.get("middlewares").map(Node::items).unwrap_or_default() {
                brought.take(root, middleware.text().unwrap_or_default(), 0);
            }
            let service = router.get("service").and_then(Node::text).unwrap_or_default();
            // Dashboard and API are pages of their own, which send what they send.
            if service.ends_with("@internal") || brought.redirects {
                continue;
            }
            let on: Vec<&str> = router
                .get("entryPoints")
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .filter_map(Node::text)
                .collect();
            let is_encrypted = router.get("tls").is_some() || on.iter().any(|point| encrypts(point));
            if !is_encrypted && on.is_empty() && !brought.is_partly_unseen {
                self.find(
                    "DEP-501",
                    router.line,
                    name,
                    format!("the router {name} answers on every entry point without TLS"),
                );
            }
            if is_encrypted {
                let called = format!("router {name}");
                let is_partly_unseen = brought.is_partly_unseen;
                let site = Site { file: self.name, line: router.line, name: &called, is_partly_unseen };
                self.findings.extend(judge(&site, &brought.sent));
            }
        }
    }
}

/// What middlewares do to an answer.
#[derive(Default)]
struct Brought {
    sent: Vec<Sent>,
    redirects: bool,
    is_partly_unseen: bool,
}

impl Brought {
    fn take(&mut self, root: &Node, name: &str, depth: usize) {
        let name = name.strip_suffix("@file").unwrap_or(name);
        let Some(middleware) = root.at(&["http", "middlewares", name]).filter(|_| depth < MAX_CHAINS_DEEP)
        else {
            self.is_partly_unseen = true;
            return;
        };
        for next in middleware.at(&["chain", "middlewares"]).map(Node::items).unwrap_or_default() {
            self.take(root, next.text().unwrap_or_default(), depth + 1);
        }
        self.redirects |= middleware.at(&["redirectScheme", "scheme"]).and_then(Node::text) == Some("https");
        // A plugin may send whatever it likes.
        self.is_partly_unseen |= middleware.get("plugin").is_some();
        if let Some(headers) = middleware.get("headers") {
            self.headers(headers);
        }
    }

    fn headers(&mut self, headers: &Node) {
        let mut add = |line, name: &str, value: String| {
            self.sent.push(Sent { line, name: name.to_owned(), value });
        };
        for (key, node) in headers.entries() {
            let text = node.text().unwrap_or_default();
            match key.as_str() {
                "stsSeconds" => add(node.line, "Strict-Transport-Security", format!("max-age={text}")),
                "contentTypeNosniff" if node.is_true() => {
                    add(node.line, "X-Content-Type-Options", "nosniff".to_owned());
                }
                "frameDeny" if node.is_true() => add(node.line, "X-Frame-Options", "DENY".to_owned()),
                "customFrameOptionsValue" => add(node.line, "X-Frame-Options", text.to_owned()),
                "contentSecurityPolicy" => add(node.line, "Content-Security-Policy", text.to_owned()),
                "referrerPolicy" => add(node.line, "Referrer-Policy", text.to_owned()),
                "customResponseHeaders" => {
                    for (name, value) in node.entries() {
                        // An empty value takes the header away.
                        if let Some(text) = value.text().filter(|text| !text.is_empty()) {
                            add(value.line, name, text.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_local(address: &str) -> bool {
    address.starts_with("127.") || address.starts_with("localhost:") || address.starts_with("[::1]")
}
