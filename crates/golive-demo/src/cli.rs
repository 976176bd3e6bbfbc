//! The command line: parses, calls, prints. No decision about data is made here.
#![allow(clippy::print_stdout, reason = "this is the one place that talks to the terminal")]

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::{Parser, Subcommand};
use url::Url;

use crate::check;
use crate::config::Environment;
use crate::database;
use crate::probe;
use crate::seed::{self, Plan};
use crate::serve;

/// Production tracking for many tenants, the platform that goes live.
#[derive(Debug, Parser)]
#[command(name = "golive-demo", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the schema of the database at DATABASE_URL up or down.
    Migrate {
        #[command(subcommand)]
        direction: Direction,
    },
    /// Fill an empty database with the demonstration; brings its schema up first.
    Seed {
        /// Size: 1 is small, 100 has about two million production entries.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        scale: u32,
        /// The same seed makes the same rows.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The day that counts as today.
        #[arg(long, value_name = "YYYY-MM-DD", default_value = "2026-01-15")]
        as_of: NaiveDate,
    },
    /// Test the platform on databases it makes itself; exit code 1 when something is wrong.
    Check {
        /// Write the results as JUnit XML.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Serve the API; settings come from the environment.
    Serve,
    /// Ask a health address; exit code 1 unless it answers that all is well.
    Probe {
        /// Such as http://127.0.0.1:8080/health/ready.
        url: Url,
    },
}

#[derive(Debug, Subcommand)]
enum Direction {
    /// Apply what is pending.
    Up,
    /// Undo the last migrations, and their data with them.
    Down {
        /// How many; without it the last one.
        #[arg(long, default_value_t = 1)]
        steps: u32,
        /// All of them.
        #[arg(long, conflicts_with = "steps")]
        all: bool,
    },
    /// Say which are applied; changes nothing.
    Status,
}

/// Runs the command line.
pub(crate) async fn run(environment: Environment) -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().command {
        Command::Migrate { direction } => migrate(&environment, direction).await,
        Command::Seed { scale, seed, as_of } => fill(&environment, &Plan::new(seed, scale, as_of)).await,
        Command::Check { junit } => check_all(junit.as_deref()).await,
        Command::Serve => Ok(serve::serve(&environment).await?),
        Command::Probe { url } => Ok(probe::probe(&url).await?),
    }
}

async fn migrate(environment: &Environment, direction: Direction) -> Result<(), Box<dyn std::error::Error>> {
    let url = environment.database_url()?;
    match direction {
        Direction::Up => println!("applied {} migrations", database::migrate_up(&url).await?),
        Direction::Down { steps, all } => {
            let undone = database::migrate_down(&url, (!all).then_some(steps)).await?;
            println!("undid {undone} migrations");
        }
        Direction::Status => {
            let connection = database::open(&url, 1).await?;
            for (name, is_applied) in database::migration_status(&connection).await? {
                println!("{} {name}", if is_applied { "applied" } else { "pending" });
            }
            database::close(connection).await?;
        }
    }
    Ok(())
}

async fn fill(environment: &Environment, plan: &Plan) -> Result<(), Box<dyn std::error::Error>> {
    let url = environment.database_url()?;
    database::migrate_up(&url).await?;
    let connection = database::open(&url, 1).await?;
    let seeded = seed::seed(&connection, plan, |table, rows| println!("{rows:>9} {table}")).await?;
    println!("{:>9} rows in {} tables", seeded.rows(), seeded.tables.len());
    database::close(connection).await?;
    Ok(())
}

async fn check_all(junit: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let outcomes = check::run().await?;
    for outcome in &outcomes {
        match &outcome.result {
            Ok(seen) => println!("ok    {} ({seen})", outcome.name),
            Err(wrong) => println!("WRONG {}: {wrong}", outcome.name),
        }
    }
    if let Some(path) = junit {
        check::write_report(path, &outcomes)?;
    }
    let wrong = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    if wrong > 0 {
        return Err(format!(
            "{wrong} of {} checks failed; mend what they name and run them again",
            outcomes.len()
        )
        .into());
    }
    println!("all {} checks passed", outcomes.len());
    Ok(())
}
