# syntax=docker/dockerfile:1.9
ARG RUST_VERSION=1.86

FROM --platform=$BUILDPLATFORM rust:${RUST_VERSION}-slim-bookworm AS chef
WORKDIR /build
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo install cargo-chef --locked

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /build/recipe.json recipe.json
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo chef cook --release --recipe-path recipe.json
COPY . .
ARG GIT_COMMIT=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin server \
    && cp target/release/server /usr/local/bin/server

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS runtime
LABEL org.opencontainers.image.source="https://example.org/server" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=builder --chown=65532:65532 /usr/local/bin/server /usr/local/bin/server
ENV RUST_LOG=info \
    RUST_BACKTRACE=1
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/server", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/server"]
CMD ["--listen", "0.0.0.0:8080"]
