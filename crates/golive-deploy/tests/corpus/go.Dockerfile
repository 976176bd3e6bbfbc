FROM --platform=$BUILDPLATFORM golang:1.24.2-alpine3.21@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/var/cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags="-s -w -X main.version=$VERSION" -o /out/api ./cmd/api
RUN echo 'app:x:10001:10001:app:/nonexistent:/sbin/nologin' > /out/passwd

FROM scratch
COPY --from=build /out/passwd /etc/passwd
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip
COPY --from=build /out/api /api
ENV ZONEINFO=/zoneinfo.zip
USER 10001:10001
EXPOSE 8080
HEALTHCHECK CMD ["/api", "-health"]
ENTRYPOINT ["/api"]
