//! Where a folder behind SFTP is and how to log in: an address without a secret in it, and a private key from a private
//! file, or an agent that keeps it. Nothing is asked of the network here.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use url::Url;

/// Two minutes suit a slow uplink.
const PATIENCE: Duration = Duration::from_secs(120);
const PORT: u16 = 22;
/// A key is some kilobytes.
const KEY_BYTES: u64 = 256 * 1024;
/// OpenSSH's format of private keys: PROTOCOL.key.
const KEY_BEGINS: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const KEY_ENDS: &str = "-----END OPENSSH PRIVATE KEY-----";
const KEY_MAGIC: &[u8] = b"openssh-key-v1\0";

/// A repository in a folder that a server shows by SFTP.
#[derive(Clone)]
#[non_exhaustive]
pub struct SftpOptions {
    /// How long the server may take over one request.
    pub patience: Duration,
    /// The local folder in which binary logs lie until they are closed.
    pub spool: PathBuf,
    /// OpenSSH's client; by default the search path decides where it is.
    pub client: PathBuf,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// As the server takes it: absolute, or relative to the home of the login.
    pub(super) folder: String,
    pub(super) login: Login,
    pub(super) known_hosts: PathBuf,
}

#[derive(Clone)]
pub(super) enum Login {
    /// The file of a private key.
    Key(PathBuf),
    /// The socket of an agent.
    Agent(PathBuf),
}

/// Why an address of a folder behind SFTP cannot be used. None of them repeats what might be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SftpError {
    /// It is no such address.
    #[error(
        "read the address of the SFTP server; write sftp://USER@HOST/PATH, with /~/PATH for a folder in the home of USER, and \
         %20 for a space"
    )]
    Address,
    /// A password stands in the address, where every user of the machine can read it.
    #[error(
        "take the password out of the address of the SFTP server; log in by a key: name its private file by ?key=FILE, or \
         let an agent keep it (SSH_AUTH_SOCK)"
    )]
    Password,
    /// An unknown setting in the address.
    #[error("know {name:?} in the address of the SFTP server; key and known_hosts can be given")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// Neither a key nor an agent.
    #[error(
        "log in to the SFTP server; append ?key=FILE with a private key, or run an agent (SSH_AUTH_SOCK)"
    )]
    NoLogin,
    /// It is not said which servers are known.
    #[error(
        "tell the SFTP server from an impostor; append known_hosts=FILE, or set HOME for ~/.ssh/known_hosts"
    )]
    NoKnownHosts,
    /// A path that cannot be handed on.
    #[error(
        "hand the path {path:?} to the SSH client; take one from the root on, without quotes, backslashes and `${{`"
    )]
    Path {
        /// It.
        path: PathBuf,
    },
    /// The key cannot be read.
    #[error("read the private key {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others can read the key.
    #[error("use the private key {path}: other users can read it (mode {mode:04o}); run `chmod 600 {path}`")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key that can be used here.
    #[error("use the private key {path}: {what}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        what: &'static str,
    },
}

impl SftpOptions {
    /// Whether a text is meant as the address of a folder behind SFTP.
    pub fn is_address(text: &str) -> bool {
        text.starts_with("sftp:")
    }

    /// Reads `sftp://USER@HOST:PORT/PATH?key=FILE&known_hosts=FILE`, of which the port and all behind the path may be
    /// absent. `/PATH` is absolute, `/~/PATH` is in the home of the login. Without `key`, `variable` is asked for
    /// `SSH_AUTH_SOCK`; without `known_hosts`, for the `HOME` in which `.ssh/known_hosts` is.
    ///
    /// ```
    /// # use golive_backup::SftpOptions;
    /// let variable = |name: &str| match name {
    ///     "SSH_AUTH_SOCK" => Some("/run/agent".to_owned()),
    ///     _ => Some("/srv/kpi".to_owned()),
    /// };
    /// let options = SftpOptions::parse("sftp://kpi@backups.example.net/~/daily", "/var/spool/kpi", &variable)?;
    /// assert_eq!(options.label(), "sftp://kpi@backups.example.net/~/daily");
    /// # Ok::<(), golive_backup::SftpError>(())
    /// ```
    ///
    /// # Errors
    /// When it is no address, a password stands in it, or its key cannot be used.
    pub fn parse(
        address: &str,
        spool: impl Into<PathBuf>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SftpError> {
        let url = Url::parse(address).map_err(|_| SftpError::Address)?;
        if url.password().is_some() {
            return Err(SftpError::Password);
        }
        let host = url.host_str().filter(|host| url.scheme() == "sftp" && is_host(host));
        let host = host.ok_or(SftpError::Address)?;
        let user = plain(url.username())
            .filter(|user| !user.is_empty() && !user.starts_with('-'))
            .ok_or(SftpError::Address)?;
        let folder = folder(url.path()).filter(|_| url.fragment().is_none()).ok_or(SftpError::Address)?;
        let (mut key, mut known_hosts) = (None, None);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "key" => key = Some(PathBuf::from(value.as_ref())),
                "known_hosts" => known_hosts = Some(PathBuf::from(value.as_ref())),
                _ => return Err(SftpError::Unknown { name: name.into_owned() }),
            }
        }
        let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let known_hosts = known_hosts.or_else(|| Some(given("HOME")?.join(".ssh/known_hosts")));
        let login = match key {
            Some(file) => {
                let file = plain_path(file)?;
                check_key(&file)?;
                Login::Key(file)
            }
            None => Login::Agent(plain_path(given("SSH_AUTH_SOCK").ok_or(SftpError::NoLogin)?)?),
        };
        let known_hosts = plain_path(known_hosts.ok_or(SftpError::NoKnownHosts)?)?;
        Ok(Self {
            patience: PATIENCE,
            spool: spool.into(),
            client: PathBuf::from("ssh"),
            user,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(PORT),
            folder,
            login,
            known_hosts,
        })
    }

    /// What may be shown: `sftp://USER@HOST:PORT/PATH`.
    pub fn label(&self) -> String {
        let path = if self.folder.starts_with('/') { String::new() } else { "/~/".to_owned() };
        format!("sftp://{}@{}{path}{}", self.user, self.at(), self.folder).trim_end_matches('/').to_owned()
    }

    /// Host and port, the latter where it is not the usual one.
    pub(super) fn at(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == PORT { host } else { format!("{host}:{}", self.port) }
    }
}

fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    // A dash at its beginning would be an option of the command that an error names.
    !inner.is_empty()
        && !inner.starts_with('-')
        && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

/// Undoes `%20` and the like; `None` for what no name holds.
fn plain(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// The folder as the server takes it. Steps upwards are refused: an address means what it says.
fn folder(path: &str) -> Option<String> {
    let path = plain(path)?;
    let (home, rest) = match path.strip_prefix("/~") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (true, rest),
        _ => (false, path.as_str()),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let is_odd = parts.iter().any(|part| matches!(*part, "." | ".."));
    match (home, parts.join("/")) {
        _ if is_odd => None,
        // Everything of the login, or of the machine, is no folder of backups.
        (_, joined) if joined.is_empty() => None,
        (true, joined) => Some(joined),
        (false, joined) => Some(format!("/{joined}")),
    }
}

/// A path that the client's settings can hold, and that means the same to a schedule, which runs elsewhere.
fn plain_path(path: PathBuf) -> Result<PathBuf, SftpError> {
    let is_odd = |one: char| one.is_control() || matches!(one, '"' | '\\' | '\'');
    let is_plain = path.to_str().is_some_and(|text| !text.contains("${") && !text.contains(is_odd));
    if is_plain && path.is_absolute() { Ok(path) } else { Err(SftpError::Path { path }) }
}

/// Makes sure that it is a key which its owner alone can read and which nobody has to be asked about. It is not kept:
/// the client reads it when it logs in.
fn check_key(path: &Path) -> Result<(), SftpError> {
    let reading = |source| SftpError::File { path: path.to_owned(), source };
    let bad = |what| SftpError::Key { path: path.to_owned(), what };
    let file = File::open(path).map_err(reading)?;
    let metadata = file.metadata().map_err(reading)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SftpError::Permissions { path: path.to_owned(), mode });
    }
    if !metadata.is_file() {
        return Err(bad("it is no file"));
    }
    let mut text = String::new();
    file.take(KEY_BYTES).read_to_string(&mut text).map_err(reading)?;
    let text = SecretString::from(text);
    let text = text.expose_secret().trim();
    let body = text.strip_prefix(KEY_BEGINS).and_then(|text| text.strip_suffix(KEY_ENDS));
    let body = body.ok_or_else(|| {
        bad("it is not in OpenSSH's format; `ssh-keygen -p -f FILE` writes it anew in that, without a passphrase")
    })?;
    let body = SecretString::from(body.split_whitespace().collect::<String>());
    let body = BASE64_STANDARD.decode(body.expose_secret()).map_err(|_| bad("it is damaged"))?;
    let body = SecretSlice::from(body);
    let rest = body.expose_secret().strip_prefix(KEY_MAGIC).ok_or_else(|| bad("it is damaged"))?;
    // What follows is the name of the cipher: its length and it.
    if rest.starts_with(b"\0\0\0\x04none") {
        return Ok(());
    }
    Err(bad(
        "a passphrase protects it, and nobody is here to type it; give it to an agent by `ssh-add FILE` and leave key= \
         out, or make a key for this purpose alone by `ssh-keygen -t ed25519`",
    ))
}

impl fmt::Debug for SftpOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SftpOptions").field("at", &self.label()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(address: &str) -> Result<SftpOptions, SftpError> {
        let variable = |name: &str| match name {
            "SSH_AUTH_SOCK" => Some("/run/agent".to_owned()),
            "HOME" => Some("/srv/kpi".to_owned()),
            _ => None,
        };
        SftpOptions::parse(address, "/spool", &variable)
    }

    #[test]
    fn an_address_says_where_and_as_whom_and_holds_no_password() {
        let options = read("sftp://kpi@backups.example.net:2222/srv/Datenbank%20t%C3%A4glich/?known_hosts=/etc/hosts%20known").unwrap();
        assert_eq!(options.folder, "/srv/Datenbank täglich");
        assert_eq!(
            (options.user.as_str(), options.host.as_str(), options.port),
            ("kpi", "backups.example.net", 2222)
        );
        assert_eq!(options.known_hosts, Path::new("/etc/hosts known"));
        assert_eq!(options.label(), "sftp://kpi@backups.example.net:2222/srv/Datenbank täglich");
        let at_home = read("sftp://kpi@[fd00::7]/~/daily").unwrap();
        assert_eq!((at_home.folder.as_str(), at_home.host.as_str()), ("daily", "fd00::7"));
        assert_eq!(at_home.label(), "sftp://kpi@[fd00::7]/~/daily");
        assert_eq!(at_home.known_hosts, Path::new("/srv/kpi/.ssh/known_hosts"));
        assert!(matches!(read("sftp://kpi:hunter2@host/a"), Err(SftpError::Password)));
        assert!(!format!("{:?}", read("sftp://kpi:hunter2@host/a")).contains("hunter2"));
        assert!(matches!(read("sftp://kpi@host/a?password=x"), Err(SftpError::Unknown { .. })));
        for bad in [
            "sftp://host/a",
            "sftp://kpi@host",
            "sftp://kpi@host/~",
            "sftp://kpi@-oProxyCommand=x/a",
            "sftp://kpi@ho%20st/a",
            "sftp://kpi@host/a%0Ab",
            "sftp://-oX@host/a",
            "sftp:kpi@host",
            "s3://kpi@host/a",
        ] {
            assert!(matches!(read(bad), Err(SftpError::Address)), "{bad}");
        }
        for bad in ["%22", "%5C", "%0A", "${HOME}", "%27"] {
            let address = format!("sftp://kpi@host/a?known_hosts=/etc/{bad}");
            assert!(matches!(read(&address), Err(SftpError::Path { .. })), "{bad}");
        }
        assert!(matches!(read("sftp://kpi@host/a?key=id_ed25519"), Err(SftpError::Path { .. })));
        let nothing = |_: &str| None;
        let bare = |address| SftpOptions::parse(address, "/spool", &nothing);
        assert!(matches!(bare("sftp://kpi@host/a?known_hosts=/k"), Err(SftpError::NoLogin)));
    }

    proptest::proptest! {
        #[test]
        fn no_address_is_a_panic_and_no_password_is_shown(password in "[a-z0-9]{9,20}", rest in ".{0,40}") {
            let _ = read(&rest);
            let _ = read(&format!("sftp://{rest}"));
            let refused = read(&format!("sftp://kpi:{password}@host/{rest}")).unwrap_err();
            let told = format!("{refused:?} {refused}");
            proptest::prop_assert!(!told.contains(&password));
        }
    }

    #[test]
    fn a_key_is_private_in_opensshs_format_and_without_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let address = format!("sftp://kpi@host/a?key={}", file.display());
        let write = |cipher: &str, mode: u32| {
            let mut body = KEY_MAGIC.to_vec();
            body.extend(u32::try_from(cipher.len()).unwrap().to_be_bytes());
            body.extend(cipher.as_bytes());
            let text = format!("{KEY_BEGINS}\n{}\n{KEY_ENDS}\n", BASE64_STANDARD.encode(body));
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        };
        assert!(matches!(read(&address), Err(SftpError::File { .. })));
        write("none", 0o644);
        assert!(matches!(read(&address), Err(SftpError::Permissions { mode: 0o644, .. })));
        write("aes256-ctr", 0o600);
        let encrypted = read(&address).unwrap_err().to_string();
        assert!(encrypted.contains("ssh-add"), "{encrypted}");
        write("none", 0o600);
        read(&address).unwrap();
        fs::write(&file, "-----BEGIN RSA PRIVATE KEY-----\nhunter2").unwrap();
        let other = read(&address).unwrap_err().to_string();
        assert!(other.contains("ssh-keygen -p") && !other.contains("hunter2"), "{other}");
    }
}
