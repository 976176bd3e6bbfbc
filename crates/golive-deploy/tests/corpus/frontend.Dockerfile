# syntax=docker/dockerfile:1
FROM node:22.15-alpine@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS build
ARG VITE_API_URL
ARG VITE_SENTRY_RELEASE
WORKDIR /web
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --no-audit --no-fund
COPY . .
RUN VITE_API_URL=$VITE_API_URL npm run build

# The base image brings its own command.
FROM nginxinc/nginx-unprivileged:1.28-alpine@sha256:1111111111111111111111111111111111111111111111111111111111111111
COPY nginx/default.conf.template /etc/nginx/templates/
COPY --from=build /web/dist /usr/share/nginx/html
EXPOSE 8080
HEALTHCHECK --interval=15s CMD ["wget", "--quiet", "--spider", "http://127.0.0.1:8080/healthz"]
