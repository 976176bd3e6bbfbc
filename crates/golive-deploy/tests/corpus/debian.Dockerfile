# A package from a vendor's signed repository, and an archive with its checksum.
FROM debian:12.10-slim@sha256:1111111111111111111111111111111111111111111111111111111111111111
ARG TOOL_VERSION=2.4.1
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl gnupg \
 && curl -fsSL https://packages.example.org/key.asc | gpg --dearmor -o /usr/share/keyrings/example.gpg \
 && echo "deb [signed-by=/usr/share/keyrings/example.gpg] https://packages.example.org/apt stable main" \
      > /etc/apt/sources.list.d/example.list \
 && apt-get update && apt-get install -y --no-install-recommends example-agent \
 && apt-get purge -y gnupg && rm -rf /var/lib/apt/lists/*
RUN curl -fsSLo /tmp/tool.tar.gz "https://downloads.example.org/tool-${TOOL_VERSION}.tar.gz" \
 && echo "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730  /tmp/tool.tar.gz" | sha256sum -c - \
 && tar -xzf /tmp/tool.tar.gz -C /usr/local/bin --strip-components=1 && rm /tmp/tool.tar.gz
ADD --checksum=sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730 https://downloads.example.org/ca.pem /etc/ssl/certs/
COPY docker-entrypoint.sh /usr/local/bin/
VOLUME ["/var/lib/example"]
USER 10001:10001
HEALTHCHECK CMD ["example-agent", "status"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["example-agent", "run"]
