//! `completions` and `man`: what shells and manual readers want to know of the command line, made from the command line itself.
//!
//! Not here: the words. They are the help's.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use serde_json::json;

use crate::args::{Args, Global};
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};
use crate::output;

/// What `completions` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    Pwsh,
}

/// What `man` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// Folder to write every page to, one file a command; the first page alone goes to stdout without it.
    directory: Option<PathBuf>,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  golive completions bash > /etc/bash_completion.d/golive
  golive completions zsh > ~/.zfunc/_golive
  golive completions fish > ~/.config/fish/completions/golive.fish
  golive completions powershell >> $PROFILE";
const MAN_EXAMPLES: &str = "\
Examples:
  golive man | man -l -                 the first page
  golive man /usr/local/share/man/man1  every page: man golive-migrate-run";

pub(crate) fn completions(args: &CompletionsArgs) -> Result {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Pwsh => clap_complete::Shell::PowerShell,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "golive", &mut text);
    output::print(&without_hidden(&String::from_utf8_lossy(&text), &Args::command()));
    Ok(End::Ready)
}

/// The scripts offer hidden options, too: bash's in one line for each command, the others' in a line for each option.
fn without_hidden(script: &str, command: &clap::Command) -> String {
    let mut hidden = Vec::new();
    hidden_options(command, &mut hidden);
    let mut text = String::with_capacity(script.len());
    for line in script.lines() {
        let mut line = line.to_owned();
        if line.trim_start().starts_with("opts=") {
            for option in &hidden {
                line = line.replace(option, "");
            }
        } else if offers(&line) && hidden.iter().any(|option| line.contains(option.trim_start())) {
            continue;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Whether a line of zsh's, fish's or PowerShell's script offers one option.
fn offers(line: &str) -> bool {
    let line = line.trim_start();
    ["'--", "\"*--", "'*--", "complete -c", "[CompletionResult]"].iter().any(|start| line.starts_with(start))
}

fn hidden_options(command: &clap::Command, found: &mut Vec<String>) {
    let hidden = command.get_arguments().filter(|argument| argument.is_hide_set());
    found.extend(hidden.filter_map(|argument| Some(format!(" --{}", argument.get_long()?))));
    command.get_subcommands().for_each(|below| hidden_options(below, found));
}

pub(crate) fn man(global: &Global, args: &ManArgs) -> Result {
    let mut pages = Vec::new();
    let mut command = Args::command();
    command.build();
    collect(&command, "golive", &mut pages);
    let Some(directory) = &args.directory else {
        output::print(&pages[0].1);
        return Ok(End::Ready);
    };
    for (name, page) in &pages {
        write(directory, name, page)?;
    }
    let files: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    show(global, &json!({ "directory": directory, "files": files }), || {
        format!("{} pages stand in {}", files.len(), directory.display())
    });
    Ok(End::Ready)
}

fn write(directory: &Path, name: &str, page: &str) -> std::result::Result<(), Failure> {
    let path = directory.join(name);
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, page));
    written.map_err(|error| Failure::reach(format!("write {}: {error}", path.display())))
}

/// A page for this command and each below it, `golive-migrate-run.1`.
fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone()).title(name.to_uppercase());
    page.render(&mut text).expect("memory takes whatever is written");
    pages.push((format!("{name}.1"), String::from_utf8_lossy(&text).into_owned()));
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    for below in below {
        collect(below, &format!("{name}-{}", below.get_name()), pages);
    }
}
