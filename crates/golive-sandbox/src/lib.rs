//! Disposable MariaDB, Redis (alone, under Sentinel, as a cluster), nginx and OpenSSH servers from the system's own binaries.
//!
//! Every server has a private directory, listens on 127.0.0.1 only, is ready when `start` returns, and dies with
//! this process, even when that is killed. Everything blocks; from asynchronous code use a blocking task.
//!
//! ```no_run
//! use golive_sandbox::{MariaDb, MariaDbOptions};
//!
//! let mut options = MariaDbOptions::new();
//! options.databases = vec!["shop".into()];
//! let server = MariaDb::start(&options)?;
//! println!("{}", server.url("shop"));
//! # Ok::<(), golive_sandbox::StartError>(())
//! ```

mod certificate;
mod directory;
mod environment;
mod error;
mod install;
mod keeper;
mod mail;
mod mariadb;
mod nginx;
mod port;
mod process;
mod proxy;
mod python;
mod redis;
mod requirements;
mod server;
mod sink;
mod sshd;

pub use certificate::{Certificate, CertificateAuthority, CertificateError};
pub use error::{StartError, StopError};
pub use install::{InstallError, InstallPlan, install};
pub use mail::{MailSink, MailSinkError};
pub use mariadb::{DatabaseError, MariaDb, MariaDbOptions, ServerTls};
pub use nginx::{Nginx, NginxOptions};
pub use port::free_port;
pub use process::{Finished, Process, ProcessError, ProcessSpec, run_to_end};
pub use proxy::Proxy;
pub use python::python_with;
pub use redis::{Redis, RedisCluster, RedisOptions, RedisSentinel};
pub use requirements::{Found, Missing, Packages, Requirement, look, look_for_tests};
pub use sink::{Received, Sink, SinkError};
pub use sshd::{Sshd, SshdOptions};
