//! A Dockerfile in two stages: what builds stays behind, what runs has no shell tools to speak of, no root and no secret.

use super::RenderError;
use super::service::{Language, RENDERED, Service, words};

/// Renders a Dockerfile. Base images are pinned by version; give them digests with your registry's tool, which alone knows
/// them.
///
/// # Errors
/// When an option would be misread in a Dockerfile.
pub fn render_dockerfile(service: &Service) -> Result<String, RenderError> {
    service.validate("Dockerfile")?;
    let (build, run) = match service.language {
        Language::Rust => (rust_build(&service.name), rust_run(&service.name)),
        Language::Python => (PYTHON_BUILD.to_owned(), PYTHON_RUN.to_owned()),
        Language::Node => (NODE_BUILD.to_owned(), NODE_RUN.to_owned()),
    };
    let url = format!("http://127.0.0.1:{}{}", service.port, service.live_path);
    let probe = words(&probe(service.language, &url));
    Ok(format!(
        "# syntax=docker/dockerfile:1\n{RENDERED}{build}\n{run}\
         USER 10001:10001\n\
         EXPOSE {}\n\
         STOPSIGNAL SIGTERM\n\
         HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD {probe}\n\
         ENTRYPOINT {}\n",
        service.port,
        words(&service.command),
    ))
}

/// Asks the service as its image can.
pub(super) fn probe(language: Language, url: &str) -> Vec<String> {
    let words: &[&str] = match language {
        Language::Rust => &["curl", "--fail", "--silent", "--max-time", "4", "--output", "/dev/null"],
        Language::Python => {
            &["python", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=4)"]
        }
        Language::Node => &[
            "node",
            "-e",
            "fetch(process.argv[1], { signal: AbortSignal.timeout(4000) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))",
        ],
    };
    words.iter().map(|&word| word.to_owned()).chain([url.to_owned()]).collect()
}

fn rust_build(name: &str) -> String {
    format!(
        "FROM rust:1.95.0-slim-bookworm AS build\n\
         WORKDIR /src\n\
         COPY . .\n\
         RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \\\n    \
         cargo build --release --locked --bin {name} && cp target/release/{name} /usr/local/bin/{name}\n"
    )
}

fn rust_run(name: &str) -> String {
    format!(
        "FROM debian:12.11-slim\n\
         RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl \\\n    \
         && rm -rf /var/lib/apt/lists/*\n\
         COPY --from=build /usr/local/bin/{name} /usr/local/bin/{name}\n\
         WORKDIR /var/empty\n"
    )
}

const PYTHON_BUILD: &str = "\
FROM python:3.13.5-slim-bookworm AS build
WORKDIR /src
COPY requirements.txt .
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --require-virtualenv -r requirements.txt
";
const PYTHON_RUN: &str = "\
FROM python:3.13.5-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/app
COPY --chown=0:0 app ./app
";
const NODE_BUILD: &str = "\
FROM node:22.17.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev
";
const NODE_RUN: &str = "\
FROM node:22.17.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /srv/app
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
";
