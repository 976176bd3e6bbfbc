//! The text of every rule: one table, so that a finding, `explain` and the documentation say the same.
//!
//! No decision is made here.

use serde::Serialize;

use crate::finding::Severity;
use crate::finding::Severity::{Error, Note, Warning};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleText {
    /// Stable identity.
    pub id: &'static str,
    /// How much a finding of it weighs.
    pub severity: Severity,
    /// What it asks for.
    pub title: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// How to mend it.
    pub remedy: &'static str,
}

/// The text of a rule, by its identity in any case.
pub fn explain(id: &str) -> Option<&'static RuleText> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// All rules, in the order of their identities.
pub fn rules() -> &'static [RuleText] {
    RULES
}

/// The text of one of our own rules.
pub(crate) fn rule(id: &'static str) -> &'static RuleText {
    explain(id).expect("a test holds every identity that is used against the table")
}

const fn text(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
) -> RuleText {
    RuleText { id, severity, title, why, remedy }
}

const RULES: &[RuleText] = &[
    text(
        "CFG-001",
        Error,
        "the secret key is set",
        "without it every token can be forged, or the application starts with a built-in key",
        "generate one with `golive secret generate` and put it where only the application reads it",
    ),
    text(
        "CFG-002",
        Error,
        "the secret key has at least 64 characters",
        "a short key can be searched for offline from one captured token",
        "generate one with `golive secret generate`",
    ),
    text(
        "CFG-003",
        Error,
        "the secret key is random",
        "a key with little entropy or with words in it is in somebody's list",
        "generate one with `golive secret generate`; do not type it",
    ),
    text(
        "CFG-004",
        Error,
        "the secret key is not a published one",
        "keys from examples, tutorials and templates are tried first",
        "generate one with `golive secret generate`",
    ),
    text(
        "CFG-005",
        Error,
        "the secret key stands in no example file",
        "example files are under version control and are read by everybody",
        "generate another key for production; keep the example empty",
    ),
    text(
        "CFG-010",
        Error,
        "debug mode is off",
        "debug mode shows stack traces, settings and queries to anybody who causes an error",
        "set the variable to false, or remove it",
    ),
    text(
        "CFG-011",
        Error,
        "the environment mode says production",
        "an unset mode turns every rule off that is for production only",
        "set it to production where the application is started",
    ),
    text(
        "CFG-020",
        Error,
        "allowed origins are set",
        "without them the browser is refused, or the framework falls back to every origin",
        "list the https origins of the frontend, separated by commas",
    ),
    text(
        "CFG-021",
        Error,
        "no wildcard among allowed origins",
        "any site may then call the API with the user's browser",
        "list the exact https origins",
    ),
    text(
        "CFG-022",
        Error,
        "no local origin among allowed origins",
        "anything that runs on a user's own machine may then call the API",
        "remove localhost and loopback addresses",
    ),
    text(
        "CFG-023",
        Error,
        "every allowed origin is exact and https",
        "an http origin can be forged on the network; one with a path never matches",
        "write scheme://host[:port] with https, nothing after it",
    ),
    text(
        "CFG-030",
        Error,
        "the database URL points to MariaDB",
        "SQLite takes one writer at a time and lives on one disk",
        "set mysql://user:password@host/database?ssl-mode=VERIFY_IDENTITY",
    ),
    text(
        "CFG-031",
        Error,
        "the database connection is verified",
        "PREFERRED and REQUIRED connect without checking who answers",
        "add ssl-mode=VERIFY_IDENTITY and ssl-ca, or use a socket or loopback",
    ),
    text(
        "CFG-032",
        Error,
        "the database password is not empty and not a default",
        "default passwords are tried first",
        "give the account a generated password",
    ),
    text(
        "CFG-033",
        Warning,
        "the application does not connect as root",
        "a defect in the application then reaches every database",
        "create an account with rights on its own database only",
    ),
    text(
        "CFG-034",
        Error,
        "the database URL can be read",
        "the application will not start, or will read it otherwise than meant",
        "write mysql://user:password@host:port/database, special characters percent-encoded",
    ),
    text(
        "CFG-040",
        Error,
        "the Redis URL is set",
        "revoked tokens and limits must be shared by all processes and survive restarts",
        "set rediss://:password@host:port/0",
    ),
    text(
        "CFG-041",
        Error,
        "Redis outside a private network is reached over TLS",
        "tokens and counters cross the network in clear",
        "use rediss://",
    ),
    text(
        "CFG-042",
        Error,
        "Redis asks for a password",
        "whoever reaches the port can un-revoke tokens",
        "set requirepass or an ACL user, and put it in the URL",
    ),
    text(
        "CFG-043",
        Error,
        "the Redis URL can be read",
        "the application will not start, or will run without Redis",
        "write redis://:password@host:port/0 or rediss://",
    ),
    text(
        "CFG-050",
        Error,
        "error tracking is set",
        "nobody learns of an unhandled exception",
        "set the DSN of the production project",
    ),
    text(
        "CFG-051",
        Error,
        "the error tracking DSN is https",
        "reports with personal data cross the network in clear",
        "use the https DSN of the project",
    ),
    text(
        "CFG-052",
        Note,
        "the error tracking DSN is a local one",
        "right for a rehearsal; in production nobody reads it",
        "set the DSN of the production project before the real go-live",
    ),
    text(
        "CFG-060",
        Error,
        "all pools together fit into max_connections",
        "under load the last processes are refused with error 1040",
        "lower pool size, overflow or processes, or raise max_connections",
    ),
    text(
        "CFG-061",
        Warning,
        "the pool settings are numbers",
        "the framework falls back to its defaults",
        "set plain positive numbers",
    ),
    text(
        "CFG-070",
        Error,
        "files with secrets are for their owner only",
        "every account on the host can read the secrets",
        "chmod 600 the file",
    ),
    text(
        "CFG-071",
        Error,
        "files with secrets are not under version control",
        "a secret in the history stays there, in every clone",
        "git rm --cached the file, ignore it, and replace every secret in it",
    ),
    text(
        "CFG-080",
        Warning,
        "every variable is known",
        "a misspelt name silently leaves the default in force",
        "correct the name, or remove the variable",
    ),
    text(
        "CFG-081",
        Warning,
        "every line of an env file is an assignment",
        "readers disagree about such a line; some skip it silently",
        "write NAME=value, or comment it out",
    ),
    text(
        "CFG-082",
        Warning,
        "no variable is defined twice",
        "which one wins depends on the reader",
        "keep one",
    ),
    text(
        "CFG-090",
        Error,
        "demo mode is off",
        "demo data and demo accounts come back at the next start",
        "set the variable to false, or remove it",
    ),
    text(
        "CFG-091",
        Warning,
        "no placeholder is left",
        "a value such as example.com or changeme was never filled in",
        "fill in the real value",
    ),
    text(
        "DEP-001",
        Error,
        "the file can be read",
        "what cannot be parsed cannot be judged",
        "correct the syntax at the line named",
    ),
    text(
        "DEP-101",
        Warning,
        "the image is built in several stages",
        "compilers and sources in the final image are tools for an intruder",
        "build in one stage and COPY --from it into a small final stage",
    ),
    text(
        "DEP-102",
        Error,
        "the final stage does not run as root",
        "a break-out from a root process is root on the host",
        "add USER with a numeric id such as 10001:10001 before the end",
    ),
    text(
        "DEP-103",
        Note,
        "the user is a numeric id",
        "Kubernetes cannot tell that a named user is not root",
        "write USER 10001:10001",
    ),
    text(
        "DEP-104",
        Error,
        "base images are pinned",
        "the build of tomorrow is another one than that which was tested",
        "name a version tag, best with @sha256:digest",
    ),
    text(
        "DEP-105",
        Note,
        "base images are pinned by digest",
        "a tag can be moved to another image",
        "add @sha256:digest to the image",
    ),
    text(
        "DEP-106",
        Error,
        "no secret in ENV or ARG",
        "both stay in the image's history for whoever pulls it",
        "give it at run time, or use RUN --mount=type=secret",
    ),
    text(
        "DEP-107",
        Warning,
        "a health check is defined",
        "the orchestrator takes a hung process for a healthy one",
        "add HEALTHCHECK that asks the liveness address",
    ),
    text(
        "DEP-108",
        Warning,
        "the command is in exec form",
        "with a shell as process 1 the stop signal never reaches the application",
        "write CMD [\"program\", \"argument\"]",
    ),
    text(
        "DEP-109",
        Warning,
        "nothing is ADDed from a URL",
        "what was downloaded is not what was reviewed",
        "use curl with a checksum, or ADD --checksum",
    ),
    text("DEP-110", Note, "COPY instead of ADD", "ADD unpacks archives and follows URLs unasked", "use COPY"),
    text(
        "DEP-111",
        Warning,
        "the whole context is not copied into the final stage",
        "COPY . takes .env and .git along unless .dockerignore names them",
        "copy the folders needed, and list .env and .git in .dockerignore",
    ),
    text(
        "DEP-112",
        Warning,
        "nothing is downloaded into a shell",
        "curl | sh runs whatever the server sends today",
        "download, check a checksum, then run",
    ),
    text(
        "DEP-113",
        Note,
        "no sudo",
        "its behavior with signals and terminals is unpredictable in a build",
        "use USER",
    ),
    text(
        "DEP-114",
        Error,
        "the image starts something",
        "without CMD or ENTRYPOINT the base image's own command runs",
        "add CMD [\"program\"]",
    ),
    text(
        "DEP-201",
        Error,
        "services have a memory limit",
        "one leak takes the whole host down",
        "set mem_limit, or deploy.resources.limits.memory",
    ),
    text(
        "DEP-202",
        Warning,
        "services have a CPU limit",
        "one busy service starves the database",
        "set cpus, or deploy.resources.limits.cpus",
    ),
    text(
        "DEP-203",
        Warning,
        "services have a health check",
        "a hung container is never replaced, and nothing can wait for it",
        "add healthcheck with a test that needs no login",
    ),
    text(
        "DEP-204",
        Error,
        "databases are not published",
        "a published port goes around the host firewall",
        "remove ports, or bind to 127.0.0.1",
    ),
    text(
        "DEP-205",
        Error,
        "images are pinned",
        "latest is another image tomorrow",
        "name a version, best with a digest",
    ),
    text(
        "DEP-206",
        Error,
        "no service is privileged",
        "it is root on the host",
        "remove privileged and add the one capability needed",
    ),
    text(
        "DEP-207",
        Warning,
        "dependencies are waited for until healthy",
        "the service starts before its database answers",
        "write depends_on: { db: { condition: service_healthy } }",
    ),
    text(
        "DEP-208",
        Error,
        "conditions of depends_on can be met",
        "a service without health check never becomes healthy, so this one never starts",
        "add a health check there, or correct the name",
    ),
    text(
        "DEP-209",
        Warning,
        "needed variables are required",
        "an unset variable becomes an empty string without a word",
        "write ${NAME:?set NAME}",
    ),
    text(
        "DEP-210",
        Error,
        "no secret is written into the file",
        "the file is under version control",
        "use ${NAME:?}, env_file or secrets",
    ),
    text(
        "DEP-211",
        Error,
        "the container engine's socket is not mounted",
        "whoever controls it is root on the host",
        "remove the mount",
    ),
    text(
        "DEP-212",
        Warning,
        "services are restarted",
        "after a crash or a reboot the service stays down",
        "set restart: unless-stopped",
    ),
    text(
        "DEP-213",
        Note,
        "services cannot gain privileges",
        "a setuid program in the image is a way up",
        "add security_opt: [no-new-privileges:true]",
    ),
    text(
        "DEP-214",
        Warning,
        "logs are bounded",
        "json-file logs grow until the disk is full",
        "set logging.options.max-size and max-file",
    ),
    text(
        "DEP-215",
        Error,
        "the environment mode is set to production",
        "unset, it turns every rule off that is for production only",
        "set ENVIRONMENT: production for the application's service",
    ),
    text(
        "DEP-216",
        Error,
        "the host's namespaces are not shared",
        "the container sees and reaches what the host does",
        "remove network_mode, pid or ipc: host",
    ),
    text(
        "DEP-217",
        Warning,
        "health checks ask an address that needs no login",
        "an answer of 401 never turns healthy",
        "ask the readiness address, and let it answer without a login",
    ),
    text(
        "DEP-301",
        Error,
        "the server has a real name",
        "with localhost as its name other hosts fall to the first server block",
        "set server_name to the public names, or _",
    ),
    text(
        "DEP-302",
        Error,
        "HSTS is sent over https only",
        "browsers ignore it over http, so nothing is protected while it looks so",
        "move it to the server block that listens with ssl",
    ),
    text(
        "DEP-303",
        Error,
        "a content security policy is sent",
        "an injected script runs unhindered",
        "add_header Content-Security-Policy \"default-src 'self'; …\" always",
    ),
    text(
        "DEP-304",
        Error,
        "no header is lost to a nested add_header",
        "one add_header in a location drops all those of the server there",
        "repeat the server's headers in that block, or include them from one file",
    ),
    text(
        "DEP-305",
        Error,
        "TLS 1.2 or newer only",
        "older versions cap the grade at B and are broken",
        "ssl_protocols TLSv1.2 TLSv1.3;",
    ),
    text(
        "DEP-306",
        Error,
        "plain http redirects to https",
        "the first request of every visit can be read and changed",
        "return 301 https://$host$request_uri; in the http server block",
    ),
    text(
        "DEP-307",
        Warning,
        "the server's version is not told",
        "it tells which holes to try",
        "server_tokens off;",
    ),
    text(
        "DEP-308",
        Error,
        "HSTS is sent, for at least six months",
        "a visitor can be kept on plain http; the grade stays below A+",
        "add_header Strict-Transport-Security \"max-age=63072000\" always",
    ),
    text(
        "DEP-309",
        Warning,
        "security headers are sent with errors too",
        "without `always` error pages go out unprotected",
        "add always at the end of add_header",
    ),
    text(
        "DEP-310",
        Error,
        "ciphers are strong",
        "weak suites cap the grade and can be broken",
        "list ECDHE suites with AES-GCM or ChaCha20-Poly1305 only",
    ),
    text(
        "DEP-311",
        Warning,
        "nosniff, framing and referrer headers are sent",
        "browsers then guess types, allow framing, and leak addresses",
        "add X-Content-Type-Options, X-Frame-Options (or frame-ancestors) and Referrer-Policy",
    ),
    text(
        "DEP-312",
        Error,
        "an alias does not end where its location does not",
        "location /a with alias /b/ serves /b/../ too",
        "end both with a slash",
    ),
    text(
        "DEP-313",
        Error,
        "no request data in a redirect that nginx has decoded",
        "$uri holds decoded line breaks: headers can be injected",
        "use $request_uri",
    ),
    text(
        "DEP-314",
        Warning,
        "the proxied application learns the original scheme",
        "it then builds http links and sets cookies without Secure",
        "proxy_set_header X-Forwarded-Proto $scheme;",
    ),
    text(
        "DEP-315",
        Warning,
        "the client's own Host header is not trusted",
        "$http_host is whatever the client wrote",
        "proxy_set_header Host $host;",
    ),
    text(
        "DEP-316",
        Warning,
        "the policy does not allow inline scripts or local addresses",
        "unsafe-inline lets an injected script run; localhost is a leftover",
        "remove them from the policy",
    ),
    text(
        "DEP-317",
        Warning,
        "directory listings are off",
        "file names tell what was not meant to be found",
        "autoindex off;",
    ),
    text(
        "DEP-318",
        Error,
        "an encrypted server names its certificate",
        "nginx does not start, or takes another server's certificate",
        "set ssl_certificate and ssl_certificate_key",
    ),
    text(
        "DEP-319",
        Warning,
        "session tickets are off",
        "the ticket key lives as long as the process and undoes forward secrecy",
        "ssl_session_tickets off;",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_unique_and_sorted() {
        assert!(RULES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn explain_ignores_case() {
        assert_eq!(explain("cfg-001").map(|rule| rule.id), Some("CFG-001"));
        assert!(explain("CFG-999").is_none());
    }
}
