# syntax=docker/dockerfile:1
FROM ghcr.io/astral-sh/uv:0.7.3@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS uv

FROM python:3.13-slim-bookworm@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TOKENIZERS_PARALLELISM=false

FROM base AS build
COPY --from=uv /uv /uvx /bin/
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /app
RUN --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=secret,id=index_password,env=UV_INDEX_PRIVATE_PASSWORD \
    uv sync --locked --no-install-project --no-dev
COPY . /app
RUN --mount=type=cache,target=/var/cache/uv uv sync --locked --no-dev

FROM base
RUN <<SETUP
set -eu
apt-get update
apt-get install --yes --no-install-recommends libmariadb3 tini
rm -rf /var/lib/apt/lists/*
groupadd --gid 10001 app
useradd --uid 10001 --gid app --no-create-home app
SETUP
COPY --from=build --chown=10001:10001 /app /app
ENV PATH="/app/.venv/bin:$PATH"
WORKDIR /app
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-m", "app.probe"]
ENTRYPOINT ["tini", "--"]
CMD ["gunicorn", "--config", "gunicorn.conf.py", "app.main:app"]
