//! Starts one server of each kind and holds them: `hold [DIRECTORY]`. Prints their process ids in one line.
//!
//! The tests kill this program to see that nothing is left behind.

use std::io::{Read, Write};

use golive_sandbox::{
    MariaDb, MariaDbOptions, Nginx, NginxOptions, Process, ProcessSpec, Redis, RedisOptions,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = MariaDbOptions::new();
    options.directory = std::env::args_os().nth(1).map(Into::into);
    let database = MariaDb::start(&options)?;
    let redis = Redis::start(&RedisOptions::new())?;
    let nginx = Nginx::start(&NginxOptions::new("events {}"))?;
    let process = Process::start(ProcessSpec::new("sleep").argument("1000"))?;
    let pids = [database.pid(), redis.pid(), nginx.pid(), Some(process.pid())].map(Option::unwrap_or_default);
    let line = format!(
        "{} {} {} {} {}\n",
        pids[0],
        pids[1],
        pids[2],
        pids[3],
        database.private_directory().display()
    );
    std::io::stdout().write_all(line.as_bytes())?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
