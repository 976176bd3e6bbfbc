//! A private nginx with the caller's configuration.
//!
//! It runs as a single process: workers would outlive a killed master. Nothing here writes configuration.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::directory::{PrivateDirectory, at, create_directory, open_log, tail, write_private};
use crate::error::{StartError, StopError};
use crate::keeper::{Keeper, Launch};
use crate::process::{ProcessSpec, run_to_end};
use crate::requirements::Requirement;
use crate::server::{Life, start_and_wait};

const SERVER: &str = "nginx";
const TESTED_WITHIN: Duration = Duration::from_secs(30);

/// How an nginx is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NginxOptions {
    /// The main configuration, without `daemon`, `master_process` and `pid`. In it stand for something:
    ///
    /// | placeholder | becomes |
    /// |---|---|
    /// | `{directory}` | the server's private directory |
    /// | `{temporary_paths}` | the five `*_temp_path` directives, for inside of `http`; needed when not run as root |
    pub configuration: String,
    /// Files to write into the private directory first (name, content; mode 0600), as certificates and keys.
    pub files: Vec<(String, String)>,
    /// Leaves the private directory for inspection.
    pub keep: bool,
}

impl NginxOptions {
    /// A server with this main configuration.
    #[must_use]
    pub fn new(configuration: impl Into<String>) -> Self {
        Self { configuration: configuration.into(), ..Self::default() }
    }
}

/// A running private nginx; killed and removed when dropped.
#[derive(Debug)]
pub struct Nginx {
    // Dropped in this order: the server before its directory.
    life: Life,
    setup: Setup,
}

#[derive(Debug)]
struct Setup {
    program: PathBuf,
    log: PathBuf,
    private: PrivateDirectory,
    keep: bool,
}

impl Nginx {
    /// Tests the configuration and starts the server. Returns when it listens.
    ///
    /// # Errors
    /// [`StartError::Refused`] with nginx's own words when the configuration is wrong; see [`StartError`].
    pub fn start(options: &NginxOptions) -> Result<Self, StartError> {
        let program = Requirement::Nginx.find()?;
        let private = PrivateDirectory::new()?;
        let directory = private.path().to_path_buf();
        create_directory(&directory.join("tmp"))?;
        for (name, content) in &options.files {
            let is_plain =
                matches!(Path::new(name).components().collect::<Vec<_>>().as_slice(), [Component::Normal(_)]);
            if !is_plain {
                let problem = format!("the file name {name:?} must be a name without directories");
                return Err(StartError::Refused { server: SERVER, problem });
            }
            write_private(&directory.join(name), content)?;
        }
        write_private(&directory.join("nginx.conf"), &fill(&options.configuration, &directory))?;
        let log = directory.join("error.log");
        let setup = Setup { program, log: log.clone(), private, keep: options.keep };
        setup.test()?;
        let keeper = setup.start_here()?;
        Ok(Self { life: Life::new(SERVER, log, keeper), setup })
    }

    /// Its private directory: configuration, error log, and the files that were given.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.setup.private.path()
    }

    /// The server's process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.life.pid()
    }

    /// The end of the server's error log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.setup.log)
    }

    /// Stops it in order and waits.
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

    /// Starts it again with the same configuration, unless it runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_again(&self) -> Result<(), StartError> {
        self.life.start_again(|| self.setup.start_here())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.life.kill();
        if self.setup.keep {
            self.setup.private.keep();
        }
    }
}

fn fill(configuration: &str, directory: &Path) -> String {
    let temporary_paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path \"{}/tmp/{kind}\";\n", directory.display()))
        .concat();
    configuration
        .replace("{temporary_paths}", &temporary_paths)
        .replace("{directory}", &directory.display().to_string())
}

impl Setup {
    fn pid_file(&self) -> PathBuf {
        self.private.path().join("pid")
    }

    fn arguments(&self) -> Vec<String> {
        let directory = self.private.path().display();
        vec![
            "-p".to_owned(),
            format!("{directory}/"),
            "-c".to_owned(),
            format!("{directory}/nginx.conf"),
            // Where it writes before it has read its configuration.
            "-e".to_owned(),
            self.log.display().to_string(),
            "-g".to_owned(),
            format!("daemon off; master_process off; pid {};", self.pid_file().display()),
        ]
    }

    fn test(&self) -> Result<(), StartError> {
        let refused = |problem| StartError::Refused { server: SERVER, problem };
        let spec = ProcessSpec::new(&self.program).argument("-t").arguments(self.arguments());
        let finished = run_to_end(spec, TESTED_WITHIN).map_err(|error| refused(error.to_string()))?;
        if finished.status.success() {
            return Ok(());
        }
        Err(refused(format!("mend its configuration, which it refuses:\n{}", finished.errors.trim())))
    }

    fn start_here(&self) -> Result<Keeper, StartError> {
        let pid_file = self.pid_file();
        if pid_file.exists() {
            fs::remove_file(&pid_file).map_err(at(&pid_file))?;
        }
        let mut launch = Launch::server(&self.program).arguments(self.arguments());
        launch.errors = Some(open_log(&self.log)?);
        // The pid file is written once all its sockets listen.
        start_and_wait(SERVER, launch, &self.log, |pid| {
            fs::read_to_string(&pid_file).is_ok_and(|text| text.trim() == pid.to_string())
        })
    }
}
