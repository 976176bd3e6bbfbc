//! The audit of an nginx configuration: what each block really sends, after inheritance.
//!
//! An `include` whose files are at hand counts as written out; what another may bring is not missed.

use super::AuditFile;
use super::headers::{About, flaws};
use super::nginx_facts::{
    Header, all_headers, answers_nobody, brings_headers, headers, is, is_encrypted, is_loopback, is_security,
    redirects, rejects_handshakes, value, weak_ciphers,
};
use super::nginx_syntax::{Directive, Place, parse_whole};
use crate::finding::Finding;

pub(super) fn audit(file: &AuditFile) -> Vec<Finding> {
    let whole = parse_whole(file);
    let mut audit = Audit { files: &whole.files, findings: Vec::new() };
    for (file, error) in &whole.errors {
        let place = Place { file: *file, line: error.line };
        audit.find("DEP-001", place, format!("is not an nginx configuration: {}", error.reason));
    }
    // Without its first file there is nothing to judge.
    if !whole.errors.iter().any(|(file, _)| *file == 0) {
        let http = whole.directives.iter().find(|directive| directive.name == "http");
        audit.http(http.map_or(whole.directives.as_slice(), Directive::children));
    }
    audit.findings
}

struct Audit<'a> {
    files: &'a [&'a AuditFile],
    findings: Vec<Finding>,
}

impl Audit<'_> {
    fn find(&mut self, id: &'static str, place: Place, message: impl Into<String>) {
        let name = self.files.get(place.file).map_or("", |file| file.name.as_str());
        self.findings.push(Finding::of(id, message).at(name, place.line));
    }

    /// What of its line the last finding is about.
    fn about(&mut self, token: impl Into<String>) {
        if let Some(finding) = self.findings.pop() {
            self.findings.push(finding.about(token));
        }
    }

    fn http(&mut self, http: &[Directive]) {
        let servers: Vec<&Directive> =
            http.iter().filter(|directive| directive.name == "server" && directive.block.is_some()).collect();
        let outer = headers(http);
        for include in http.iter().filter(|directive| directive.name == "include") {
            self.directive(include);
        }
        let encrypted = servers.iter().any(|server| is_encrypted(server));
        // Where nothing is public, what listens on the loopback is all there is to judge.
        let is_public = servers.iter().any(|server| !is_loopback(server));
        let aside = |server: &Directive| answers_nobody(server) || (is_public && is_loopback(server));
        for server in &servers {
            self.server(http, server, &outer, aside(server));
        }
        let plain: Vec<&&Directive> = servers.iter().filter(|server| !is_encrypted(server)).collect();
        for server in &plain {
            if encrypted && !redirects(server) && !aside(server) {
                self.find(
                    "DEP-306",
                    server.place,
                    "this server answers plain http without redirecting all of it to https",
                );
            }
        }
        if !servers.is_empty() && !encrypted {
            self.find("DEP-306", servers[0].place, "no server listens with ssl");
        }
    }

    /// One that is aside shows its pages to nobody outside.
    fn server(&mut self, http: &[Directive], server: &Directive, outer: &[Header], is_aside: bool) {
        let encrypted = is_encrypted(server);
        let block = server.children();
        self.names(server);
        let own = headers(block);
        let effective = if own.is_empty() { outer.to_vec() } else { own };
        if !encrypted {
            for header in all_headers(server).iter().filter(|header| is(header, "Strict-Transport-Security"))
            {
                self.find("DEP-302", header.place, "HSTS is sent by a server that does not listen with ssl");
                self.about(&header.name);
            }
        }
        if !is_aside && (encrypted || !redirects(server)) {
            self.sent(server, &effective, encrypted);
        }
        if encrypted {
            self.tls(http, server);
        }
        let off = value(block, "server_tokens")
            .or_else(|| value(http, "server_tokens"))
            .is_some_and(|word| word == "off");
        if !off {
            self.find("DEP-307", server.place, "the version of nginx is told in every answer");
        }
        self.inside(block, &effective);
    }

    fn names(&mut self, server: &Directive) {
        let local = |word: &String| word == "localhost" || word.starts_with("127.") || word == "::1";
        let Some(names) = server.children().iter().find(|directive| directive.name == "server_name") else {
            return;
        };
        if names.words.iter().all(local) && !is_loopback(server) {
            self.find("DEP-301", names.place, "server_name is a local name on a public listener");
            self.about(names.first());
        }
    }

    /// The headers that a server sends where nothing below it interferes.
    fn sent(&mut self, server: &Directive, sent: &[Header], encrypted: bool) {
        let get = |name: &str| sent.iter().find(|header| is(header, name));
        let place = server.place;
        // An included file may send what is not seen here.
        let included = brings_headers(server.children());
        // A page that only leads elsewhere shows nothing that a policy could guard; the browser keeps its HSTS.
        let leads_away = redirects(server);
        let value = |name: &str| get(name).map(|header| header.value.as_str());
        for flaw in flaws(value, encrypted, included) {
            if leads_away && flaw.about != About::Hsts && flaw.header.is_none() {
                continue;
            }
            let id = match flaw.about {
                About::Hsts => "DEP-308",
                About::Policy => "DEP-303",
                About::PolicyText => "DEP-316",
                About::Others => "DEP-311",
            };
            let header = flaw.header.and_then(get);
            self.find(id, header.map_or(place, |header| header.place), flaw.what);
            if let Some(header) = header.filter(|_| flaw.about == About::Hsts) {
                self.about(&header.value);
            }
        }
        for header in sent.iter().filter(|header| is_security(&header.name) && !header.always) {
            self.find("DEP-309", header.place, format!("{} is not sent with error pages", header.name));
            self.about(&header.name);
        }
    }

    fn tls(&mut self, http: &[Directive], server: &Directive) {
        let block = server.children();
        let get = |name: &str| block.iter().chain(http).find(|directive| directive.name == name);
        // What an include that is not at hand may set is not missed.
        let is_unseen = brings_headers(block) || brings_headers(http);
        let rejects = rejects_handshakes(server);
        for name in ["ssl_certificate", "ssl_certificate_key"] {
            if get(name).is_none() && !is_unseen && !rejects {
                self.find("DEP-318", server.place, format!("listens with ssl without {name}"));
            }
        }
        match get("ssl_protocols") {
            // nginx before 1.23.4 speaks 1.0 and 1.1 when it is not told otherwise.
            None if is_unseen => {}
            None => self.find(
                "DEP-305",
                server.place,
                "ssl_protocols is not set, so that old nginx versions speak TLS 1.0 and 1.1",
            ),
            Some(protocols) => {
                for old in protocols
                    .words
                    .iter()
                    .filter(|word| ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"].contains(&word.as_str()))
                {
                    self.find("DEP-305", protocols.place, format!("{old} is spoken"));
                    self.about(old);
                }
            }
        }
        // TLS 1.3 has no suite that is not strong.
        let only_tls13 = get("ssl_protocols").is_some_and(|protocols| protocols.words == ["TLSv1.3"]);
        match get("ssl_ciphers") {
            None if only_tls13 || is_unseen || rejects => {}
            None => self.find(
                "DEP-310",
                server.place,
                "ssl_ciphers is not set, so that nginx offers CBC and RSA key exchange",
            ),
            Some(ciphers) => {
                for weak in weak_ciphers(ciphers.first()) {
                    self.find("DEP-310", ciphers.place, format!("ssl_ciphers allows {weak}"));
                    self.about(weak);
                }
            }
        }
        let tickets = get("ssl_session_tickets").map(|tickets| tickets.first() != "off");
        if tickets.unwrap_or(!is_unseen && !rejects) {
            self.find("DEP-319", server.place, "session tickets are on");
        }
    }

    /// Blocks within a server, to any depth.
    fn inside(&mut self, block: &[Directive], inherited: &[Header]) {
        for directive in block {
            self.directive(directive);
            let Some(inner) = &directive.block else { continue };
            if !["location", "if", "limit_except"].contains(&directive.name.as_str()) {
                continue;
            }
            let own = headers(inner);
            if let Some(first) = own.first() {
                let lost: Vec<&str> = inherited
                    .iter()
                    .filter(|header| {
                        is_security(&header.name) && !own.iter().any(|other| is(other, &header.name))
                    })
                    .map(|header| header.name.as_str())
                    .collect();
                // A block that only answers or is never reached from outside sends no page.
                let internal = inner.iter().any(|directive| directive.name == "internal");
                if !lost.is_empty() && !internal && !brings_headers(inner) {
                    self.find(
                        "DEP-304",
                        first.place,
                        format!("add_header in this {} drops {}", directive.name, lost.join(", ")),
                    );
                }
            }
            self.location(directive, inner);
            let effective = if own.is_empty() { inherited.to_vec() } else { own };
            self.inside(inner, &effective);
        }
    }

    fn location(&mut self, directive: &Directive, inner: &[Directive]) {
        if let Some(alias) = inner.iter().find(|directive| directive.name == "alias") {
            let prefix =
                directive.words.last().filter(|path| path.starts_with('/') && directive.words.len() <= 2);
            let regular = directive.first().starts_with('~') || directive.first() == "=";
            if prefix.is_some_and(|path| !path.ends_with('/')) && alias.first().ends_with('/') && !regular {
                self.find(
                    "DEP-312",
                    alias.place,
                    "the location does not end with a slash, and its alias does",
                );
                self.about(alias.first());
            }
        }
        if inner.iter().any(|directive| directive.name == "proxy_pass") {
            let set = |name: &str| {
                inner.iter().any(|directive| {
                    directive.name == "proxy_set_header" && directive.first().eq_ignore_ascii_case(name)
                })
            };
            let any = inner.iter().any(|directive| directive.name == "proxy_set_header");
            // Without a single one of its own, the block inherits those above; `include` may bring them.
            let included = inner.iter().any(|directive| directive.name == "include");
            if any && !set("X-Forwarded-Proto") && !included {
                self.find(
                    "DEP-314",
                    directive.place,
                    "the application is not told whether the visitor came by https",
                );
            }
        }
    }

    fn directive(&mut self, directive: &Directive) {
        match directive.name.as_str() {
            "return" | "rewrite" | "add_header" => {
                let decoded = directive.words.iter().any(|word| {
                    word.contains("$document_uri")
                        || word.match_indices("$uri").any(|(at, _)| {
                            !word[at + 4..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                        })
                });
                if decoded {
                    self.find(
                        "DEP-313",
                        directive.place,
                        format!("{} sends the decoded $uri back", directive.name),
                    );
                    self.about("uri");
                }
            }
            "proxy_set_header"
                if directive.first().eq_ignore_ascii_case("Host")
                    && directive.words.iter().any(|word| word.contains("$http_host")) =>
            {
                self.find("DEP-315", directive.place, "the Host header is passed on as the client wrote it");
                self.about("$http_host");
            }
            "include" if brings_headers(std::slice::from_ref(directive)) => {
                let message = format!("{} was not seen", directive.first());
                self.find("DEP-320", directive.place, message);
                self.about(directive.first());
            }
            "autoindex" if directive.first() == "on" => {
                self.find("DEP-317", directive.place, "directories are listed");
            }
            _ => {}
        }
    }
}
