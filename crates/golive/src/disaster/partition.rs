//! The wire between the application and its database is cut while rows are written, and mended. Whatever was confirmed
//! must be there, the archive must be complete, and writing must go on by itself; there is nothing to restore.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use golive_sandbox::{MariaDb, ProcessSpec, Proxy, run_to_end};
use secrecy::ExposeSecret;

use super::stage::{Stage, Writer, doing, wait};
use super::{Disaster, DisasterError, DisasterOptions, DisasterReport};

/// So many rows come through before the cut, and again after it.
const ROWS: usize = 10;
/// One row may take so long, as an application's own limit would say.
const ROW_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn rehearse(
    options: &DisasterOptions,
    stage: &Stage,
    writer: Writer,
) -> Result<DisasterReport, DisasterError> {
    // Those who sit on the other side of the cut go on writing: their rows are not what is looked at here.
    drop(writer.end());
    let server = stage.server();
    stage.execute("CREATE TABLE golive_partition (id BIGINT UNSIGNED PRIMARY KEY) ENGINE=InnoDB")?;
    let proxy = Proxy::start(server.port()).map_err(doing("put a wire between client and server"))?;
    let far = Far::start(server, proxy.port(), &options.database)?;
    wait("rows to be written through the wire", || far.confirmed() >= ROWS)?;
    let at = (options.clock)();
    proxy.cut_after(0);
    proxy.cut();
    let cut = Instant::now();
    wait("the writer to be refused", || far.refused().is_some())?;
    let noticed_after =
        far.refused().map_or(Duration::ZERO, |refused| refused.saturating_duration_since(cut));
    let before = far.confirmed();
    let mended = Instant::now();
    proxy.mend();
    wait("rows to be written again", || far.confirmed() >= before + ROWS)?;
    let recovery_seconds = mended.elapsed().as_secs_f64();
    let (confirmed, last) = far.end();
    stage.wait_archived()?;
    let mut commands = Vec::new();
    // What was written before the cut and after it is in the archive.
    let words = ["find-event", "--table", "golive_partition", "--kind", "insert", "--limit", "2"];
    stage.golive(&words, None, &mut commands)?;
    let mut missing = 0_u64;
    for id in &confirmed {
        let found = stage.execute(&format!("SELECT COUNT(*) FROM golive_partition WHERE id = {id}"))?;
        missing += u64::from(found.trim() != "1");
    }
    let committed = confirmed.len() as u64;
    Ok(DisasterReport {
        disaster: Disaster::NetworkPartition,
        at,
        recovery_seconds,
        lost_seconds: if missing == 0 { 0.0 } else { last.saturating_duration_since(cut).as_secs_f64() },
        committed,
        recovered: committed - missing,
        noticed: format!(
            "the application's writes were refused {:.1} s after the cut; they went on by themselves when it was mended",
            noticed_after.as_secs_f64()
        ),
        commands,
    })
}

/// Writes through the wire, a row a connection, again and again whatever happens.
struct Far {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct Seen {
    confirmed: Vec<u64>,
    last: Option<Instant>,
    refused: Option<Instant>,
}

impl Far {
    fn start(server: &MariaDb, port: u16, database: &str) -> Result<Self, DisasterError> {
        let folder = tempfile::tempdir().map_err(doing("make a folder for the writer"))?;
        let login = folder.path().join("client.cnf");
        let text = format!(
            "[client]\nhost=127.0.0.1\nprotocol=tcp\nport={port}\nuser={}\npassword={}\nconnect-timeout=2\n",
            server.user(),
            server.password().expose_secret()
        );
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&login)
            .map_err(doing("write the login of the writer"))?;
        file.write_all(text.as_bytes()).map_err(doing("write the login of the writer"))?;
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (stopping, seeing, database) = (stop.clone(), seen.clone(), database.to_owned());
        let write = move || {
            let mut id = 0_u64;
            while !stopping.load(Ordering::SeqCst) {
                id += 1;
                let spec = ProcessSpec::new("mariadb")
                    .argument(format!("--defaults-file={}", login.display()))
                    .arguments([
                        "--execute",
                        &format!("INSERT INTO golive_partition VALUES ({id})"),
                        &database,
                    ]);
                let ended = run_to_end(spec, ROW_WITHIN);
                let mut seen = seeing.lock().expect("no panic holds what was seen");
                if ended.is_ok_and(|ended| ended.status.success()) {
                    seen.confirmed.push(id);
                    seen.last = Some(Instant::now());
                } else {
                    seen.refused.get_or_insert_with(Instant::now);
                    drop(seen);
                    std::thread::sleep(PAUSE);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("disaster-far-writer".to_owned())
            .spawn(write)
            .map_err(doing("start the writer"))?;
        Ok(Self { stop, seen, thread, _folder: folder })
    }

    fn confirmed(&self) -> usize {
        self.seen.lock().expect("no panic holds what was seen").confirmed.len()
    }

    fn refused(&self) -> Option<Instant> {
        self.seen.lock().expect("no panic holds what was seen").refused
    }

    fn end(self) -> (Vec<u64>, Instant) {
        self.stop.store(true, Ordering::SeqCst);
        // One that panicked has told what it was told before.
        drop(self.thread.join());
        let seen = self.seen.lock().expect("no panic holds what was seen");
        (seen.confirmed.clone(), seen.last.unwrap_or_else(Instant::now))
    }
}
