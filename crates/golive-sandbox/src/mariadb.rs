//! A private MariaDB server.
//!
//! Its data directory is a copy of a cached template (see `template`), or the caller's own directory, kept.
//! No knowledge of what is done with the server belongs here.

mod client;
mod cluster;
mod options;
mod template;

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};

pub use self::client::DatabaseError;
pub use self::options::{MariaDbOptions, ServerTls};
use crate::directory::{PrivateDirectory, at, create_directory, open_log, tail, write_private};
use crate::environment::environment;
use crate::error::{StartError, StopError};
use crate::keeper::{Keeper, Launch};
use crate::requirements::Requirement;
use crate::server::{Life, Persistent, random_password, start_and_wait, start_on_free_port};

const SERVER: &str = "MariaDB";
/// The account that is given out: all privileges, may grant them on.
const USER: &str = "golive";

/// A running private MariaDB server; killed and removed when dropped.
///
/// It listens on 127.0.0.1 and on a socket, with one account, `golive`, whose random password is in
/// [`url`](Self::url). The time zone is `+00:00` and the character set `utf8mb4`.
pub struct MariaDb {
    // Dropped in this order: the server before its directory.
    life: Life,
    setup: Setup,
}

/// What every start of the same server shares.
struct Setup {
    program: PathBuf,
    version: String,
    options: MariaDbOptions,
    password: SecretString,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    private: PrivateDirectory,
    persistent: Option<Persistent>,
}

impl MariaDb {
    /// Starts a server and makes the databases asked for. Returns when it answers.
    ///
    /// # Errors
    /// See [`StartError`]; a missing program says which package brings it.
    pub fn start(options: &MariaDbOptions) -> Result<Self, StartError> {
        options.check()?;
        let program = Requirement::Mariadbd.find()?;
        let version = template::version_line(&program)?;
        let private = PrivateDirectory::new()?;
        let persistent = options.directory.as_deref().map(Persistent::take).transpose()?;
        let root = persistent.as_ref().map_or(private.path(), Persistent::path);
        let data = root.join("data");
        if !data.join("mysql").is_dir() {
            // What a killed predecessor left half copied has no system tables at its real name yet.
            template::copy_to(&program, &version, options.template_directory.as_deref(), &data)?;
        }
        let password = persistent.as_ref().map_or_else(|| Ok(random_password()), Persistent::password)?;
        create_directory(&private.path().join("tmp"))?;
        let mut setup = Setup {
            program,
            version,
            options: options.clone(),
            password,
            port: 0,
            log: private.path().join("err.log"),
            data,
            private,
            persistent,
        };
        let keeper = setup.start_on_free_port()?;
        let server = Self { life: Life::new(SERVER, setup.log.clone(), keeper), setup };
        for name in &options.databases {
            server
                .create_database(name)
                .map_err(|error| StartError::Refused { server: SERVER, problem: error.to_string() })?;
        }
        Ok(server)
    }

    /// The address of a database over TCP: `mysql://golive:PASSWORD@127.0.0.1:PORT/NAME`. It holds the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Setup { password, port, .. } = &self.setup;
        format!("mysql://{USER}:{}@127.0.0.1:{port}/{database}", password.expose_secret())
    }

    /// The same over the socket: `mysql://golive:PASSWORD@localhost/NAME?socket=PATH`.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        let password = self.setup.password.expose_secret();
        format!("mysql://{USER}:{password}@localhost/{database}?socket={}", self.socket().display())
    }

    /// The account's name.
    #[must_use]
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The account's password.
    #[must_use]
    pub fn password(&self) -> &SecretString {
        &self.setup.password
    }

    /// The socket's path.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.setup.socket()
    }

    /// The port on 127.0.0.1; it stays the same over [`start_again`](Self::start_again).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// Where its data is.
    #[must_use]
    pub fn data_directory(&self) -> &Path {
        &self.setup.data
    }

    /// A private directory of this server, removed with it, for files that belong to it.
    #[must_use]
    pub fn private_directory(&self) -> &Path {
        self.setup.private.path()
    }

    /// The server's process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.life.pid()
    }

    /// The server's version, as `10.11.14-MariaDB`.
    #[must_use]
    pub fn version(&self) -> &str {
        let words = self.setup.version.split_whitespace();
        words.skip_while(|word| *word != "Ver").nth(1).unwrap_or(&self.setup.version)
    }

    /// The end of the server's error log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.setup.log)
    }

    /// Makes a database, with character set utf8mb4, unless it is there.
    ///
    /// # Errors
    /// When the name is not one to be written in an address, or the client fails.
    pub fn create_database(&self, name: &str) -> Result<(), DatabaseError> {
        options::check_name(name).map_err(|problem| DatabaseError::Name { problem })?;
        self.execute(&format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")).map(drop)
    }

    /// Runs statements with the `mariadb` client and returns what it prints: rows as lines, columns by tabs.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn execute(&self, statements: &str) -> Result<String, DatabaseError> {
        client::execute(self, statements)
    }

    /// Writes an option file (mode 0600) with which the server's own tools find it:
    /// `mariadb-dump --defaults-file=PATH …`. It lies in the private directory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn client_file(&self) -> Result<PathBuf, StartError> {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let path = self.setup.private.path().join("client.cnf");
        // Put in its place when it is whole: another call's client may be reading it just now.
        let fresh = path.with_extension(format!(
            "cnf.{}.{}",
            std::process::id(),
            FILES.fetch_add(1, Ordering::Relaxed)
        ));
        let text = format!(
            "[client]\nuser={USER}\npassword={}\nsocket={}\ndefault-character-set=utf8mb4\n",
            self.setup.password.expose_secret(),
            self.socket().display()
        );
        write_private(&fresh, &text)?;
        std::fs::rename(&fresh, &path).map_err(at(&path))?;
        Ok(path)
    }

    /// Stops it in order and waits; the data stays for [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// [`StopError`] when it had to be killed.
    pub fn stop(&self) -> Result<(), StopError> {
        self.life.stop(Signal::TERM)
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// None today; a place for systems that can refuse.
    pub fn kill(&self) -> Result<(), StopError> {
        self.life.kill();
        Ok(())
    }

    /// Freezes it: connections stay open and nothing answers, as when a network is cut. [`resume`](Self::resume) lets
    /// it go on.
    pub fn pause(&self) {
        self.life.signal(Signal::STOP);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.life.signal(Signal::CONT);
    }

    /// Starts it again on the same data and port, unless it runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_again(&self) -> Result<(), StartError> {
        self.life.start_again(|| self.setup.start_here())
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        if self.setup.persistent.is_some() {
            // Faster for the next start than recovering; when it fails, recovery it is.
            let _ = self.life.stop(Signal::TERM);
        }
        self.life.kill();
        if self.setup.options.keep {
            self.setup.private.keep();
        }
    }
}

impl fmt::Debug for MariaDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { version, port, data, .. } = &self.setup;
        f.debug_struct("MariaDb")
            .field("version", version)
            .field("port", port)
            .field("data", data)
            .finish_non_exhaustive()
    }
}

impl Setup {
    fn socket(&self) -> PathBuf {
        self.private.path().join("s")
    }

    fn start_on_free_port(&mut self) -> Result<Keeper, StartError> {
        start_on_free_port("Bind on TCP/IP port", |port| {
            self.port = port;
            self.start_here()
        })
    }

    /// One start on the port that was chosen.
    fn start_here(&self) -> Result<Keeper, StartError> {
        let socket = self.socket();
        let _ = fs::remove_file(&socket);
        let accounts = self.private.path().join("init.sql");
        // A node of a cluster makes its own account on itself only.
        let alone = if self.options.is_cluster_node() { "SET SESSION wsrep_on = OFF;\n" } else { "" };
        write_private(&accounts, &format!("{alone}{}", account_statements(&self.password)))?;
        let mut launch = Launch::server(&self.program).arguments(self.arguments(&accounts));
        if self.options.is_cluster_node() {
            let mut path = cluster::transfer_script(self.private.path())?.into_os_string();
            path.push(":");
            path.push(environment().search_path());
            launch.environment.push(("PATH".into(), path));
        }
        launch.errors = Some(open_log(&self.log)?);
        let keeper = start_and_wait(SERVER, launch, &self.log, |_| answers(&socket))?;
        fs::remove_file(&accounts).map_err(at(&accounts))?;
        if let Some(persistent) = &self.persistent {
            persistent.note_server(keeper.pid())?;
        }
        Ok(keeper)
    }

    fn arguments(&self, accounts: &Path) -> Vec<String> {
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            format!("--datadir={}", self.data.display()),
            format!("--tmpdir={}", self.private.path().join("tmp").display()),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", self.private.path().join("pid").display()),
            format!("--log-error={}", self.log.display()),
            format!("--init-file={}", accounts.display()),
            format!("--port={}", self.port),
        ];
        arguments.extend(template::run_as());
        arguments.extend(self.options.arguments());
        arguments
    }
}

/// Run by the server at each start, not written to the binary log. Ours is the only account that can log in.
fn account_statements(password: &SecretString) -> String {
    let password = password.expose_secret();
    let mut statements = String::from("SET SESSION sql_log_bin = 0;\n");
    for host in ["localhost", "127.0.0.1"] {
        statements.push_str(&format!(
            "CREATE USER IF NOT EXISTS `{USER}`@`{host}`;\n\
             ALTER USER `{USER}`@`{host}` IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO `{USER}`@`{host}` WITH GRANT OPTION;\n"
        ));
    }
    // Which hosts root was made for depends on the machine, so it is locked by name.
    statements.push_str(
        "UPDATE mysql.global_priv SET priv = JSON_SET(priv, '$.account_locked', true) WHERE User IN ('root', '');\n\
         FLUSH PRIVILEGES;\n",
    );
    statements
}

/// Whether the server greets on its socket: the fifth byte of a greeting is the protocol version, 10.
fn answers(socket: &Path) -> bool {
    let greeting = || -> std::io::Result<[u8; 5]> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    greeting().is_ok_and(|bytes| bytes[4] == 10)
}
