//! A composition: proxy, application, MariaDB, Redis. Only the proxy can be reached from outside; nothing starts without
//! what it needs, and no secret stands in the file.

use std::fmt::Write as _;

use super::RenderError;
use super::service::{RENDERED, Service, words};

/// Renders a compose file. It mounts `./nginx.conf` and the folder of `TLS_DIRECTORY`; every `${NAME:?…}` must be given.
///
/// # Errors
/// When an option would be misread in a compose file.
pub fn render_compose(service: &Service) -> Result<String, RenderError> {
    service.validate("compose file")?;
    let name = &service.name;
    let mut text = format!("{RENDERED}name: {name}\n\n{HARDENED}\nservices:\n{PROXY}\n");
    let probe = format!("http://127.0.0.1:{}{}", service.port, service.ready());
    let _ = write!(
        text,
        "  application:\n    <<: *hardened\n    image: ${{APPLICATION_IMAGE:?the image with its version, such as \
         registry.example/{name}:1.0.0}}\n    user: \"10001:10001\"\n    environment:\n"
    );
    for variable in &service.variables {
        let value = match &variable.value {
            // A dollar is a variable's to compose.
            Some(value) => serde_json::Value::from(value.replace('$', "$$")).to_string(),
            None => format!("${{{}:?see .env.example}}", variable.name),
        };
        let _ = writeln!(text, "      {}: {value}", variable.name);
    }
    if service.variables.is_empty() {
        text.push_str("      ENVIRONMENT: production\n");
    }
    text.push_str(APPLICATION_WAITS);
    let mut test = vec!["CMD".to_owned()];
    test.extend(super::dockerfile::probe(service.language, &probe));
    let _ = write!(
        text,
        "    healthcheck:\n      test: {}\n      interval: 15s\n      timeout: 5s\n      retries: 3\n      \
         start_period: 30s\n    mem_limit: {}m\n    cpus: 1.0\n    pids_limit: 256\n\n",
        words(&test),
        service.memory_mebibytes
    );
    text.push_str(&STORES.replace("{name}", &name.replace('-', "_")));
    Ok(text)
}

const HARDENED: &str = "\
x-hardened: &hardened
  restart: unless-stopped
  read_only: true
  cap_drop: [ALL]
  security_opt: [\"no-new-privileges:true\"]
  logging:
    driver: json-file
    options:
      max-size: 10m
      max-file: \"5\"
";
const PROXY: &str = "  proxy:
    <<: *hardened
    image: nginxinc/nginx-unprivileged:1.28.0
    user: \"101:101\"
    depends_on:
      application:
        condition: service_healthy
    ports:
      - \"80:8080\"
      - \"443:8443\"
    volumes:
      - ./nginx.conf:/etc/nginx/conf.d/default.conf:ro
      - ${TLS_DIRECTORY:?the folder with certificate and key}:/etc/nginx/tls:ro
    tmpfs: [\"/tmp:noexec,nosuid,nodev,size=64m\"]
    networks: [public, private]
    healthcheck:
      test: [\"CMD\", \"curl\", \"--silent\", \"--output\", \"/dev/null\", \"http://127.0.0.1:8080/\"]
      interval: 15s
      timeout: 5s
      retries: 3
      start_period: 10s
    mem_limit: 256m
    cpus: 0.5
    pids_limit: 128
";
const APPLICATION_WAITS: &str = "    depends_on:
      database:
        condition: service_healthy
      cache:
        condition: service_healthy
    tmpfs: [\"/tmp:noexec,nosuid,nodev,size=64m\"]
    networks: [private, outbound]
";
const STORES: &str = "  database:
    <<: *hardened
    image: mariadb:10.11.13
    user: \"999:999\"
    command:
      - --character-set-server=utf8mb4
      - --collation-server=utf8mb4_nopad_bin
      - --innodb-buffer-pool-size=1G
      - --log-bin=/var/lib/mysql/binlog
      - --binlog-format=ROW
      - --sync-binlog=1
      - --innodb-flush-log-at-trx-commit=1
    environment:
      MARIADB_DATABASE: {name}
      MARIADB_USER: {name}
      MARIADB_PASSWORD: ${DATABASE_PASSWORD:?the password in DATABASE_URL}
      MARIADB_ROOT_PASSWORD: ${DATABASE_ROOT_PASSWORD:?the password of the database administrator}
    volumes:
      - database:/var/lib/mysql
    tmpfs: [\"/tmp:noexec,nosuid,nodev,size=256m\", \"/run/mysqld:noexec,nosuid,nodev,size=16m,uid=999,gid=999\"]
    networks: [private]
    healthcheck:
      test: [\"CMD\", \"healthcheck.sh\", \"--connect\", \"--innodb_initialized\"]
      interval: 10s
      timeout: 5s
      retries: 6
      start_period: 60s
    mem_limit: 2g
    cpus: 2.0
    pids_limit: 512

  cache:
    <<: *hardened
    image: redis:7.4.5
    user: \"999:999\"
    # The password goes in through the standard input: an argument could be read by everybody on the host.
    command:
      - sh
      - -c
      - >-
        printf 'requirepass %s\\nappendonly yes\\nmaxmemory 192mb\\nmaxmemory-policy noeviction\\ndir /data\\n'
        \"$$REDIS_PASSWORD\" | redis-server -
    environment:
      REDIS_PASSWORD: ${REDIS_PASSWORD:?the password in REDIS_URL}
    volumes:
      - cache:/data
    networks: [private]
    healthcheck:
      test: [\"CMD-SHELL\", \"REDISCLI_AUTH=\\\"$$REDIS_PASSWORD\\\" redis-cli ping | grep -q PONG\"]
      interval: 10s
      timeout: 5s
      retries: 3
      start_period: 10s
    mem_limit: 256m
    cpus: 0.5
    pids_limit: 64

networks:
  public: {}
  # For what the application calls outside; nothing is published on it.
  outbound: {}
  private:
    internal: true

volumes:
  database: {}
  cache: {}
";
