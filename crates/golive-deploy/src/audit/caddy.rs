//! The audit of a Caddyfile: what each site really does, with its snippets written out.
//!
//! Caddy's own defaults are good (https by itself, TLS 1.2, strong suites): found is what undoes them, and what no
//! default gives. What an import of another file brings is not missed.

use super::caddy_syntax::{Statement, parse};
use super::headers::{Sent, Site, judge};
use crate::finding::Finding;
use crate::tls::is_weak_suite;

/// Snippets that import one another.
const MAX_IMPORTS_DEEP: usize = 8;
/// Statements of a site with its snippets written out.
const MAX_STATEMENTS: usize = 20_000;

pub(super) fn audit(name: &str, text: &str) -> Vec<Finding> {
    let statements = match parse(text) {
        Ok(statements) => statements,
        Err(error) => {
            let message = format!("is not a Caddyfile: {}", error.reason);
            return vec![Finding::of("DEP-001", message).at(name, error.line)];
        }
    };
    let mut audit = Audit { name, findings: Vec::new() };
    let snippets: Vec<&Statement> = statements.iter().filter(|statement| is_snippet(statement)).collect();
    let mut is_automatic = true;
    let mut sites = Vec::new();
    for statement in statements.iter().filter(|statement| !is_snippet(statement)) {
        match &statement.block {
            Some(options) if statement.words.is_empty() => is_automatic = audit.options(options),
            Some(block) => sites.push((statement, block.as_slice())),
            // One site without braces: its addresses, then everything else.
            None if sites.is_empty() && statement.name() != "import" => {
                let after =
                    statements.iter().position(|other| std::ptr::eq(other, statement)).map_or(0, |at| at + 1);
                sites.push((statement, &statements[after..]));
                break;
            }
            None => audit.imported(statement),
        }
    }
    for (statement, block) in sites {
        let mut left = MAX_STATEMENTS;
        let block = written_out(block, &snippets, 0, &mut left);
        audit.site(statement, &block, is_automatic);
    }
    audit.findings
}

fn is_snippet(statement: &Statement) -> bool {
    statement.block.is_some() && statement.words.len() == 1 && statement.name().starts_with('(')
}

/// The statements with those of the snippets that they import. What else is imported stays.
fn written_out(
    block: &[Statement],
    snippets: &[&Statement],
    depth: usize,
    left: &mut usize,
) -> Vec<Statement> {
    let mut out = Vec::new();
    for statement in block {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let wanted = statement.arguments().first().filter(|_| statement.name() == "import");
        let snippet = wanted.and_then(|wanted| {
            snippets.iter().find(|snippet| snippet.name().trim_matches(['(', ')']) == wanted)
        });
        match snippet {
            Some(snippet) if depth < MAX_IMPORTS_DEEP => {
                out.extend(written_out(snippet.children(), snippets, depth + 1, left));
            }
            _ => {
                let inside = statement.block.as_ref().map(|block| written_out(block, snippets, depth, left));
                out.push(Statement { block: inside, ..statement.clone() });
            }
        }
    }
    out
}

/// All statements, those inside others too.
fn all(block: &[Statement]) -> Vec<&Statement> {
    block.iter().flat_map(|statement| std::iter::once(statement).chain(all(statement.children()))).collect()
}

struct Audit<'a> {
    name: &'a str,
    findings: Vec<Finding>,
}

impl Audit<'_> {
    fn find(&mut self, id: &'static str, at: &Statement, token: &str, message: impl Into<String>) {
        self.findings.push(Finding::of(id, message).at(self.name, at.line).about(token));
    }

    fn imported(&mut self, statement: &Statement) {
        self.find("DEP-512", statement, statement.name(), "what this imports was not seen");
    }

    /// The global options. Returns whether sites get https by themselves.
    fn options(&mut self, options: &[Statement]) -> bool {
        let mut is_automatic = true;
        for option in all(options) {
            let first = option.arguments().first().map_or("", String::as_str);
            match option.name() {
                "auto_https" if ["off", "disable_redirects"].contains(&first) => {
                    is_automatic = false;
                    self.find(
                        "DEP-501",
                        option,
                        first,
                        format!("auto_https {first}: plain http is answered"),
                    );
                }
                "admin" if first != "off" && !is_local_address(first) => {
                    self.find("DEP-507", option, first, "the administration interface listens for others");
                }
                "trusted_proxies" => self.trusted(option),
                "import" => self.imported(option),
                _ => {}
            }
        }
        is_automatic
    }

    fn trusted(&mut self, option: &Statement) {
        if let Some(network) =
            option.arguments().iter().find(|word| ["0.0.0.0/0", "::/0"].contains(&word.as_str()))
        {
            self.find("DEP-509", option, network, "everybody is a trusted proxy");
        }
    }

    fn site(&mut self, statement: &Statement, block: &[Statement], is_automatic: bool) {
        let addresses: Vec<&str> = statement
            .words
            .iter()
            .map(|word| word.trim_end_matches(','))
            .filter(|word| !word.is_empty())
            .collect();
        let inside = all(block);
        let is_for_others = !addresses.iter().all(|address| is_local(address))
            && !inside.iter().any(|inner| {
                inner.name() == "bind" && inner.arguments().iter().all(|address| is_local_address(address))
            });
        let redirects = block.iter().any(|inner| {
            inner.name() == "redir" && inner.arguments().iter().any(|word| word.starts_with("https://"))
        });
        for inner in &inside {
            self.directive(inner, &addresses, is_for_others);
        }
        if !is_for_others || redirects {
            return;
        }
        let plain = addresses.iter().find(|address| is_plain(address));
        if let Some(plain) = plain {
            // Where nothing redirects, the global option was found already.
            if is_automatic || !addresses.iter().any(|address| !is_plain(address)) {
                self.find("DEP-501", statement, plain, format!("{plain} is answered without encryption"));
            }
        }
        if addresses.iter().all(|address| is_plain(address)) {
            return;
        }
        let sent = sent(&inside);
        let is_partly_unseen = inside.iter().any(|inner| inner.name() == "import");
        let site = Site {
            file: self.name,
            line: statement.line,
            name: addresses.first().copied().unwrap_or("the site"),
            is_partly_unseen,
        };
        self.findings.extend(judge(&site, &sent));
    }

    fn directive(&mut self, inner: &Statement, addresses: &[&str], is_for_others: bool) {
        let arguments = inner.arguments();
        let first = arguments.first().map_or("", String::as_str);
        match inner.name() {
            "import" => self.imported(inner),
            "tls"
                if first == "internal"
                    && is_for_others
                    && addresses.iter().any(|address| is_public(address)) =>
            {
                self.find(
                    "DEP-508",
                    inner,
                    first,
                    "a certificate of Caddy's own authority, which no client trusts",
                );
            }
            "protocols" if ["tls1.0", "tls1.1"].contains(&first) => {
                self.find("DEP-502", inner, first, format!("{first} is accepted"));
            }
            "ciphers" => {
                for weak in arguments.iter().filter(|suite| is_weak_suite(suite)) {
                    self.find("DEP-502", inner, weak, format!("the suite {weak} is accepted"));
                }
            }
            "tls_insecure_skip_verify" => {
                self.find("DEP-506", inner, inner.name(), "any certificate of the upstream is accepted");
            }
            "trusted_proxies" => self.trusted(inner),
            "file_server" if arguments.iter().any(|word| word == "browse") => {
                self.find("DEP-510", inner, "browse", "directories are listed");
            }
            _ => {}
        }
    }
}

/// The headers that a site adds to its answers, whichever.
fn sent(inside: &[&Statement]) -> Vec<Sent> {
    let mut headers = Vec::new();
    for header in inside.iter().filter(|inner| inner.name() == "header") {
        let arguments = header.arguments();
        let is_matcher = |word: &String| word.starts_with(['/', '@']) || word == "*";
        // What is sent with some answers only is sent with too few.
        if arguments.first().is_some_and(|word| is_matcher(word) && word != "*") {
            continue;
        }
        let own: Vec<&String> = arguments.iter().filter(|word| !is_matcher(word)).collect();
        let mut add = |line, name: &str, value: &str| {
            let name = name.trim_start_matches(['+', '?', '>']);
            if !name.starts_with('-') {
                headers.push(Sent { line, name: name.to_owned(), value: value.to_owned() });
            }
        };
        if let [name, value, ..] = own.as_slice() {
            add(header.line, name, value);
        }
        for field in header.children() {
            if let [name, value, ..] = field.words.as_slice() {
                add(field.line, name, value);
            }
        }
    }
    headers
}

/// The host of an address, without scheme, port and path.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => rest.split(':').next().unwrap_or(rest),
    }
}

fn is_local(address: &str) -> bool {
    let host = host(address);
    host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "::1"
}

/// Where a listener is bound to.
fn is_local_address(address: &str) -> bool {
    address.starts_with("unix/") || is_local(address)
}

/// A name that strangers resolve: what comes from a variable is taken for one.
fn is_public(address: &str) -> bool {
    let host = host(address);
    let is_inner =
        [".internal", ".local", ".lan", ".test", ".home.arpa"].iter().any(|end| host.ends_with(end));
    (host.contains('.') || host.contains('{')) && !is_inner && host.parse::<std::net::IpAddr>().is_err()
}

/// Caddy encrypts what has a name, unless the address says otherwise.
fn is_plain(address: &str) -> bool {
    if address.starts_with("http://") {
        return true;
    }
    let is_nameless = host(address).is_empty();
    is_nameless && !address.starts_with("https://") && !address.ends_with(":443")
}
