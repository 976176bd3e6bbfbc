//! A systemd unit that may do what a web service needs and nothing else.

use super::RenderError;
use super::service::{Language, RENDERED, Service};

/// Renders a unit. Its environment is read from `/etc/NAME/environment`, which systemd opens as root: mode 0600 is enough.
///
/// # Errors
/// When an option would be misread in a unit; the program must be an absolute path.
pub fn render_unit(service: &Service) -> Result<String, RenderError> {
    service.validate("systemd unit")?;
    if !service.command[0].starts_with('/') {
        return Err(RenderError::Unsafe { what: "systemd unit", field: "command" });
    }
    let name = &service.name;
    let command = service.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    // Just-in-time compilers write what they run.
    let deny_writing_code = if service.language == Language::Node { "no" } else { "yes" };
    let memory = service.memory_mebibytes;
    Ok(format!(
        "{RENDERED}[Unit]\n\
         Description={name}\n\
         Wants=network-online.target\n\
         After=network-online.target mariadb.service redis-server.service\n\
         StartLimitIntervalSec=300\n\
         StartLimitBurst=10\n\n\
         [Service]\n\
         Type=exec\n\
         ExecStart={command}\n\
         EnvironmentFile=/etc/{name}/environment\n\
         DynamicUser=yes\n\
         StateDirectory={name}\n\
         LogsDirectory={name}\n\
         StateDirectoryMode=0700\n\
         LogsDirectoryMode=0700\n\
         WorkingDirectory=%S/{name}\n\
         Restart=on-failure\n\
         RestartSec=2s\n\
         # In-flight requests finish; then it is ended.\n\
         KillSignal=SIGTERM\n\
         TimeoutStopSec=45s\n\
         MemoryMax={memory}M\n\
         TasksMax=256\n\
         LimitNOFILE=65536\n\
         MemoryDenyWriteExecute={deny_writing_code}\n{HARDENING}\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    ))
}

/// A word of a command line, as systemd.service(5) reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.:=,@+".contains(&byte);
    if word.bytes().all(is_plain) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{escaped}\"")
}

const HARDENING: &str = "\
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
";
