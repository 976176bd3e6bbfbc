//! Texts of the rules on Caddy and Traefik, `DEP-5…`. No decision is made here.

use super::{RuleText, since, text};
use crate::finding::Severity::{Error, Note, Warning};

pub(super) const RULES: &[RuleText] = &[
    since(
        text(
            "DEP-501",
            Error,
            "the proxy encrypts, and redirects plain http",
            "the first request of every visit can be read and changed",
            "Caddy: name sites by their host and leave auto_https on; Traefik: http.redirections.entryPoint to the encrypted one, tls on routers",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-502",
            Error,
            "the proxy speaks TLS 1.2 or newer, with strong suites",
            "older versions and weak suites cap the grade at B and are broken",
            "Caddy: leave protocols and ciphers out; Traefik: minVersion VersionTLS12 and ECDHE suites with AES-GCM or ChaCha20",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-503",
            Error,
            "the proxy sends HSTS, for at least six months",
            "a visitor can be kept on plain http; the grade stays below A+",
            "Caddy: header Strict-Transport-Security \"max-age=63072000\"; Traefik: stsSeconds: 63072000 in a headers middleware of the router",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-504",
            Error,
            "the proxy sends a content security policy",
            "an injected script runs unhindered",
            "Caddy: header Content-Security-Policy \"default-src 'self'\"; Traefik: contentSecurityPolicy in a headers middleware",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-505",
            Warning,
            "the proxy sends nosniff, framing and referrer headers",
            "browsers then guess types, allow framing, and leak addresses",
            "send X-Content-Type-Options, X-Frame-Options (or frame-ancestors) and Referrer-Policy",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-506",
            Error,
            "the certificate of what stands behind the proxy is checked",
            "whoever is between the two reads and changes everything",
            "trust its authority instead: Caddy tls_trust_pool, Traefik rootCAs",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-507",
            Error,
            "the proxy's own interface is not open to others",
            "who reaches it sees every address, or sends traffic elsewhere",
            "Caddy: admin localhost:2019, or off; Traefik: api.insecure false, and a router with a login for the dashboard",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-508",
            Error,
            "a public site has a certificate that clients trust",
            "every visitor is warned, and learns to click the warning away",
            "leave tls out, so that Caddy obtains one by ACME, or give certificate and key",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-509",
            Warning,
            "forwarded addresses are believed of known proxies only",
            "anybody then writes the address that limits and logs go by",
            "name the networks of the proxies in front, or none",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-510",
            Warning,
            "the proxy lists no directories",
            "file names tell what was not meant to be found",
            "file_server without browse",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-511",
            Warning,
            "a container is published only when it asks for it",
            "a database started beside it is on the internet with the next deployment",
            "exposedByDefault: false, and traefik.enable=true on what is meant",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-512",
            Note,
            "imported files are audited too",
            "what an import brings was not seen, so nothing is said about it",
            "give the imported file to the audit as well",
        ),
        "2026.2",
    ),
    since(
        text(
            "DEP-513",
            Warning,
            "the proxy's policy does not allow inline scripts or local addresses",
            "unsafe-inline lets an injected script run; localhost is a leftover",
            "remove them from the policy",
        ),
        "2026.2",
    ),
];
