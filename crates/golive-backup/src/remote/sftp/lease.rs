//! The lease of a folder: a file that only one can create. What keeps two from holding it:
//!
//! - it is refreshed by writing into the file that was found to be ours, so a lost lease is never brought back;
//! - it is taken over by moving the stale file away and looking at what was moved, so that one alone can win, and one
//!   that was refreshed meanwhile is put back.

use std::sync::Arc;

use bytes::Bytes;
use russh_sftp::protocol::{FileAttributes, OpenFlags};

use super::connection::Connection;
use super::failure::Failure;
use super::files::{changed, create, rename, sync, write_at};
use super::{Sftp, TEMPORARY};
use crate::remote::lease::STALE;
use crate::remote::{Mode, Result};

/// What stands in the file while it is ours.
pub(in crate::remote) type Held = Arc<str>;

/// A lease is an identifier and a newline.
const MOST_BYTES: u32 = 256;

impl Sftp {
    /// Takes the lease; `None` when somebody has it.
    pub(in crate::remote) async fn take_lease(&self, name: &str, clock: &str) -> Result<Option<Held>> {
        let path = self.path(name);
        let prepared = self.ask(|connection| {
            Box::pin(async move {
                connection.takes_files()?;
                self.make_folders(&connection, "").await?;
                self.make_folders(&connection, TEMPORARY).await?;
                Ok(connection)
            })
        });
        let connection = prepared.await?;
        let held: Held = format!("{}\n", uuid::Uuid::new_v4()).into();
        match seize(&connection, &path, &held).await {
            Err(Failure::Exists { .. }) => {}
            seized => return Ok(seized.map(|()| Some(held))?),
        }
        if !self.move_stale_away(&connection, &path, clock).await? {
            return Ok(None);
        }
        match seize(&connection, &path, &held).await {
            // Another was faster.
            Err(Failure::Exists { .. }) => Ok(None),
            seized => Ok(seized.map(|()| Some(held))?),
        }
    }

    /// Moves the lease away when it is stale; whether it was.
    async fn move_stale_away(&self, connection: &Connection, path: &str, clock: &str) -> Result<bool> {
        let seen = match look(connection, path).await {
            // Given back this moment: whoever asks again gets it.
            Err(Failure::NotFound { .. }) => return Ok(false),
            seen => seen?,
        };
        self.put(clock, Bytes::from_static(b"\n"), Mode::Overwrite).await?;
        let now = changed(connection, &self.path(clock)).await?;
        let age = i64::from(now) - i64::from(seen.at);
        Ok(age > STALE.num_seconds() && self.move_away(connection, path, &seen).await?)
    }

    /// Moves a lease away that was seen to be stale, if it is that one still. What was moved is cleared up under the
    /// lock.
    async fn move_away(&self, connection: &Connection, path: &str, seen: &Seen) -> Result<bool, Failure> {
        // Named for what it was, so that two who found the same one stale move it once.
        let name = blake3::hash(seen.text.as_bytes()).to_hex();
        let aside = self.path(&format!("{TEMPORARY}/lock-{name}"));
        match rename(connection, path, &aside).await {
            Err(Failure::Exists { .. } | Failure::NotFound { .. }) => return Ok(false),
            moved => moved?,
        }
        match look(connection, &aside).await {
            Ok(moved) if moved == *seen => return Ok(true),
            // Cleared up: another holds the lease by now.
            Err(Failure::NotFound { .. }) => return Ok(false),
            other => drop(other?),
        }
        // It lives, or is another's: both find it where it was. Where a third has come between, its holder is told when
        // it next confirms it.
        match rename(connection, &aside, path).await {
            Ok(()) | Err(Failure::Exists { .. } | Failure::NotFound { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Writes the lease again, if it is ours; whether it is.
    pub(in crate::remote) async fn freshen_lease(&self, name: &str, held: &Held) -> Result<bool> {
        let path = &self.path(name);
        let fresh = self.ask(|connection| Box::pin(async move { freshen(&connection, path, held).await }));
        match fresh.await {
            Err(Failure::NotFound { .. }) => Ok(false),
            fresh => Ok(fresh?),
        }
    }
}

async fn seize(connection: &Connection, path: &str, held: &Held) -> Result<(), Failure> {
    let handle = create(connection, path).await?;
    let bytes = Bytes::copy_from_slice(held.as_bytes());
    let written = write_at(connection, path, &handle, 0, &bytes).await;
    let seized = written.and(sync(connection, path, &handle).await);
    if seized.is_err() {
        // It is ours: it was made here. An empty one would lock everybody out for five minutes.
        let _ = connection.session.remove(path).await;
    }
    seized
}

/// What stands in a lease, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    text: String,
    at: u32,
}

async fn look(connection: &Connection, path: &str) -> Result<Seen, Failure> {
    let at = changed(connection, path).await?;
    let opened = connection.session.open(path, OpenFlags::READ, FileAttributes::empty()).await;
    let handle = opened.map_err(connection.meant(path))?.handle;
    let text = text(connection, path, &handle).await;
    let closed = connection.session.close(handle).await.map_err(connection.meant(path));
    closed.and(text.map(|text| Seen { text, at }))
}

async fn text(connection: &Connection, path: &str, handle: &str) -> Result<String, Failure> {
    use russh_sftp::client::error::Error as Refusal;
    use russh_sftp::protocol::StatusCode;
    match connection.session.read(handle, 0, MOST_BYTES).await {
        Ok(read) => Ok(String::from_utf8_lossy(&read.data).into_owned()),
        // Made, and not written yet.
        Err(Refusal::Status(status)) if status.status_code == StatusCode::Eof => Ok(String::new()),
        Err(refusal) => Err(connection.meant(path)(refusal)),
    }
}

async fn freshen(connection: &Connection, path: &str, held: &Held) -> Result<bool, Failure> {
    // Whatever is moved meanwhile, this is one and the same file, and it is made by nobody here.
    let flags = OpenFlags::READ | OpenFlags::WRITE;
    let opened = connection.session.open(path, flags, FileAttributes::empty()).await;
    let handle = opened.map_err(connection.meant(path))?.handle;
    let bytes = Bytes::copy_from_slice(held.as_bytes());
    let written = match text(connection, path, &handle).await {
        Ok(text) if *text == **held => write_at(connection, path, &handle, 0, &bytes).await.map(|()| true),
        Ok(_) => Ok(false),
        Err(failure) => Err(failure),
    };
    connection.session.close(handle).await.map_err(connection.meant(path))?;
    // Whoever takes it over looks after moving it. So does this, after writing: one of both sees the other.
    Ok(written? && look(connection, path).await?.text == **held)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, SystemTime};

    use golive_sandbox::{Sshd, SshdOptions};

    use super::*;
    use crate::SftpOptions;

    fn store(sshd: &Sshd) -> Sftp {
        let (user, port) = (sshd.user(), sshd.port());
        let (key, known) = (sshd.login_key(), sshd.known_hosts());
        let address = format!(
            "sftp://{user}@127.0.0.1:{port}/~/leases?key={}&known_hosts={}",
            key.display(),
            known.display()
        );
        Sftp::new(&SftpOptions::parse(&address, "/nowhere", &|_| None).unwrap())
    }

    /// A file that comes and goes under a name that others try to take.
    #[tokio::test]
    async fn what_took_a_name_and_is_gone_when_it_is_looked_for_is_told_as_taken_or_the_name_is_taken() {
        let sshd = Sshd::start(&SshdOptions::new()).unwrap();
        let store = store(&sshd);
        store.take_lease(".lock", ".clock").await.unwrap().unwrap();
        let (path, connection) = (store.path(".lock"), store.connection().await.unwrap());
        let (lock, done) = (sshd.home().join("leases/.lock"), Arc::new(AtomicBool::new(false)));
        fs::remove_file(&lock).unwrap();
        let flickering = std::thread::spawn({
            let (done, lock) = (done.clone(), lock.clone());
            move || {
                let mut comings = 0;
                while !done.load(Ordering::Relaxed) {
                    comings += usize::from(File::create_new(&lock).is_ok());
                    std::thread::sleep(Duration::from_millis(2));
                    let _ = fs::remove_file(&lock);
                    std::thread::sleep(Duration::from_millis(2));
                }
                comings
            }
        });
        let mut ended = [0, 0];
        for _ in 0..2_000 {
            match create(&connection, &path).await {
                Ok(handle) => {
                    connection.session.close(handle).await.unwrap();
                    let _ = fs::remove_file(&lock);
                    ended[0] += 1;
                }
                Err(Failure::Exists { .. }) => ended[1] += 1,
                Err(failure) => panic!("{failure:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(flickering.join().unwrap() > 20 && ended.iter().all(|times| *times > 20), "{ended:?}");
    }

    fn age(lock: &Path, seconds: u64) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 - seconds);
        File::options().write(true).open(lock).unwrap().set_modified(at).unwrap();
    }

    #[tokio::test]
    async fn a_lease_that_was_refreshed_or_changed_hands_is_put_back_and_a_lost_one_is_never_brought_back() {
        let sshd = Sshd::start(&SshdOptions::new()).unwrap();
        let (one, other, lock) = (store(&sshd), store(&sshd), sshd.home().join("leases/.lock"));
        let held = one.take_lease(".lock", ".clock").await.unwrap().unwrap();
        assert!(other.take_lease(".lock", ".clock").await.unwrap().is_none());
        let connection = other.connection().await.unwrap();
        age(&lock, 600);
        let path = other.path(".lock");
        let stale = look(&connection, &path).await.unwrap();

        // Refreshed between the look and the move.
        assert!(one.freshen_lease(".lock", &held).await.unwrap());
        assert!(!other.move_away(&connection, &path, &stale).await.unwrap());
        assert!(one.freshen_lease(".lock", &held).await.unwrap(), "it is where it was");

        // In other hands meanwhile.
        fs::write(&lock, "a third's\n").unwrap();
        age(&lock, 600);
        assert!(!other.move_away(&connection, &path, &stale).await.unwrap());
        assert_eq!(fs::read_to_string(&lock).unwrap(), "a third's\n");
        assert!(!one.freshen_lease(".lock", &held).await.unwrap(), "it is not ours");
        assert_eq!(fs::read_to_string(&lock).unwrap(), "a third's\n", "and was not written over");

        // Moved away, and nobody has taken it yet.
        let stale = look(&connection, &path).await.unwrap();
        assert!(other.move_away(&connection, &path, &stale).await.unwrap());
        assert!(!one.freshen_lease(".lock", &held).await.unwrap());
        assert!(!lock.exists(), "a lost lease is never brought back");
        fs::write(&lock, "a fourth's\n").unwrap();
        assert!(!other.move_away(&connection, &path, &stale).await.unwrap(), "the same one is moved once");
        assert_eq!(fs::read_to_string(&lock).unwrap(), "a fourth's\n");
    }
}
