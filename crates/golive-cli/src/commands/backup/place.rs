//! Where backups lie, in a folder here or on another machine, and the key that opens them.

use std::path::{Path, PathBuf};

use golive_backup::{Key, Keys, RemoteOptions, Repository};

use super::failure::ToFailure;
use crate::args::Global;
use crate::exit::Failure;
use crate::{clock, commands, output};

/// Where the backups and their key are.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The folder of backups, or a bucket: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&credentials=FILE`, of which what
    /// is behind the bucket may be absent (without a file of credentials, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    /// are read). Or a folder behind SFTP: `sftp://USER@HOST:PORT/PATH?key=FILE&known_hosts=FILE`, with `/~/PATH` for one
    /// in the home of USER; without a key the agent at SSH_AUTH_SOCK is asked, and without the last ~/.ssh/known_hosts
    /// has to know the server. `[backup] directory` of golive.toml, else `backups` in the folder of runs.
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX|sftp://USER@HOST/PATH")]
    pub(super) repository: Option<PathBuf>,
    /// The file of the key; `backup.key` in the folder of runs unless given. Keep a copy far from the backups.
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
}

/// The folder of backups and the file of the key.
pub(super) fn places(global: &Global, place: &Place) -> std::result::Result<(PathBuf, PathBuf), Failure> {
    let config = commands::config_or_nothing(global)?;
    let runs = commands::runs(global, &config);
    let configured = config.backup.directory.as_ref();
    let configured =
        configured.map(|folder| if is_remote(folder) { folder.clone() } else { config.path(folder) });
    let folder = place.repository.clone().or(configured).unwrap_or_else(|| runs.join("backups"));
    Ok((folder, place.key.clone().unwrap_or_else(|| runs.join("backup.key"))))
}

/// A repository to write to, made with its key where there is none yet.
pub(super) fn open_to_write(global: &Global, place: &Place) -> std::result::Result<Repository, Failure> {
    let (folder, key_file) = places(global, place)?;
    let key = match Key::read(&key_file) {
        Err(_) if !key_file.exists() => new_key(global, &key_file)?,
        read => read.map_err(ToFailure::failure)?,
    };
    open_at(global, &folder, Keys::with_identity(key))
}

fn is_remote(place: &Path) -> bool {
    place.to_str().is_some_and(RemoteOptions::is_address)
}

/// The place as it may be given to a command that runs elsewhere.
pub(super) fn absolute(place: PathBuf) -> std::result::Result<PathBuf, Failure> {
    if is_remote(&place) { Ok(place) } else { std::path::absolute(place).map_err(Failure::reach) }
}

fn open_at(global: &Global, place: &Path, keys: Keys) -> std::result::Result<Repository, Failure> {
    let Some(address) = place.to_str().filter(|_| is_remote(place)) else {
        return Repository::open_local(place, keys).map_err(ToFailure::failure);
    };
    let config = commands::config_or_nothing(global)?;
    let spool = commands::runs(global, &config).join("binlog-spool");
    let options = RemoteOptions::parse(address, spool, &clock::environment).map_err(Failure::usage)?;
    Repository::open_remote(&options, keys).map_err(Failure::usage)
}

/// A repository that is there; without its key it can be listed and its bytes compared.
pub(super) fn open(global: &Global, place: &Place) -> std::result::Result<Repository, Failure> {
    let (folder, key_file) = places(global, place)?;
    if !is_remote(&folder) && !folder.is_dir() {
        return Err(Failure::usage(format!(
            "find backups in {}: give --repository DIR, or take one with `golive backup create`",
            folder.display()
        )));
    }
    let key = match Key::read(&key_file) {
        Ok(key) => Keys::with_identity(key),
        // Enough to list and to compare bytes: nothing is written, so nobody needs to be able to open it.
        Err(_) if place.key.is_none() && !key_file.exists() => Keys::new(Key::generate().recipient()),
        Err(error) => return Err(error.failure()),
    };
    open_at(global, &folder, key)
}

fn new_key(global: &Global, path: &Path) -> std::result::Result<Key, Failure> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Failure::reach)?;
    }
    let key = Key::generate();
    key.write_new(path).map_err(ToFailure::failure)?;
    if !global.quiet {
        output::complain(&format!(
            "a new key is in {} (0600): without it no backup can be opened, so keep a copy far from the backups",
            path.display()
        ));
    }
    Ok(key)
}
