//! What an nginx block says of itself: which headers it adds, whether it encrypts, where it leads. No rule is here.

use super::nginx_syntax::{Directive, Place};

/// A header that a block sends.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) always: bool,
}

/// Does the block include a file that may send headers? The well-known ones of nginx send none.
pub(super) fn brings_headers(block: &[Directive]) -> bool {
    const NONE: &[&str] =
        &["mime.types", "proxy_params", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params"];
    block.iter().filter(|directive| directive.name == "include").any(|include| {
        let file = include.first().rsplit('/').next().unwrap_or_default();
        !NONE.contains(&file)
    })
}

pub(super) fn is(header: &Header, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

pub(super) fn is_security(name: &str) -> bool {
    [
        "Strict-Transport-Security",
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "X-Frame-Options",
        "Referrer-Policy",
        "Permissions-Policy",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}

/// Headers that a block adds itself.
pub(super) fn headers(block: &[Directive]) -> Vec<Header> {
    let added = block.iter().filter(|directive| directive.name == "add_header");
    added
        .map(|directive| Header {
            place: directive.place,
            name: directive.first().to_owned(),
            value: directive.words.get(1).cloned().unwrap_or_default(),
            always: directive.words.get(2).is_some_and(|word| word == "always"),
        })
        .collect()
}

/// Headers added anywhere within a block.
pub(super) fn all_headers(directive: &Directive) -> Vec<Header> {
    let mut found = headers(directive.children());
    for inner in directive.children() {
        found.extend(all_headers(inner));
    }
    found
}

pub(super) fn value<'a>(block: &'a [Directive], name: &str) -> Option<&'a str> {
    block.iter().find(|directive| directive.name == name).map(Directive::first)
}

pub(super) fn is_encrypted(server: &Directive) -> bool {
    server.children().iter().any(|directive| {
        directive.name == "listen" && directive.words.iter().any(|word| word == "ssl" || word == "quic")
    }) || value(server.children(), "ssl") == Some("on")
}

/// Everything goes to https: by the server itself, or by its location for all.
pub(super) fn redirects(server: &Directive) -> bool {
    let to_https = |block: &[Directive]| {
        block.iter().any(|directive| {
            let permanent =
                directive.name == "return" && ["301", "308", "302", "307"].contains(&directive.first());
            let rewrites = directive.name == "rewrite";
            (permanent || rewrites) && directive.words.iter().any(|word| word.starts_with("https://"))
        })
    };
    let whole =
        server.children().iter().find(|directive| directive.name == "location" && directive.words == ["/"]);
    to_https(server.children()) || whole.is_some_and(|location| to_https(location.children()))
}

/// Whoever comes is sent away without an answer.
pub(super) fn answers_nobody(server: &Directive) -> bool {
    let is_closed = |directive: &Directive| directive.name == "return" && directive.first() == "444";
    rejects_handshakes(server) || server.children().iter().any(is_closed)
}

pub(super) fn rejects_handshakes(server: &Directive) -> bool {
    value(server.children(), "ssl_reject_handshake") == Some("on")
}

/// Only this machine reaches it.
pub(super) fn is_loopback(server: &Directive) -> bool {
    let mut listens = server.children().iter().filter(|directive| directive.name == "listen").peekable();
    let local = |address: &str| {
        ["127.", "localhost", "[::1]", "unix:"].iter().any(|start| address.starts_with(start))
    };
    listens.peek().is_some() && listens.all(|listen| local(listen.first()))
}

/// What a cipher string lets in that should stay out. Words after `!` or `-` take away.
pub(super) fn weak_ciphers(list: &str) -> Vec<String> {
    const WEAK: &[&str] = &[
        "RC4",
        "DES",
        "3DES",
        "MD5",
        "NULL",
        "aNULL",
        "eNULL",
        "EXPORT",
        "EXP",
        "LOW",
        "ADH",
        "AECDH",
        "SEED",
        "IDEA",
        "ALL",
        "MEDIUM",
        "HIGH",
        "DEFAULT",
        "COMPLEMENTOFALL",
    ];
    let words: Vec<&str> = list.split([':', ',', ' ']).filter(|word| !word.is_empty()).collect();
    words
        .iter()
        .filter(|word| !word.starts_with(['!', '-', '@']))
        .filter(|word| {
            let parts: Vec<&str> = word.split(['-', '+']).collect();
            let modern = word.contains("GCM")
                || word.contains("CHACHA20")
                || word.contains("CCM")
                || word.starts_with("TLS_");
            let forward = word.starts_with("ECDHE")
                || word.starts_with("DHE")
                || word.starts_with("EECDH")
                || word.starts_with("EDH")
                || word.starts_with("TLS_");
            parts.iter().any(|part| WEAK.contains(part)) || !modern || !forward
        })
        .map(|word| (*word).to_owned())
        .collect()
}
