//! Installing the programs that are missing: a plan that prints in full, and carrying it out.
//!
//! Only Debian and its relatives are installed on; elsewhere the command is named for the operator to run.

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::environment::environment;
use crate::keeper::command;
use crate::requirements::{Found, Packages, Requirement, look};

/// The commands that bring what is missing. Printing it shows every one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstallPlan {
    /// What is missing.
    pub missing: Vec<Requirement>,
    /// For each system family the one command that brings it.
    pub by_hand: Vec<(&'static str, String)>,
    /// What [`install`] runs as root; `None` where the system is not one it knows.
    pub script: Option<String>,
}

impl InstallPlan {
    /// Plans for what [`look`] found missing, on this system.
    #[must_use]
    pub fn new(found: &[Found]) -> Self {
        Self::on(found, environment().find_program(&["apt-get"]).is_some())
    }

    fn on(found: &[Found], has_apt: bool) -> Self {
        let missing: Vec<Requirement> = found
            .iter()
            .filter(|found| found.path.is_none() && found.requirement.is_needed())
            .map(|found| found.requirement)
            .collect();
        let packages = |of: fn(Packages) -> &'static str| {
            let mut names: Vec<&str> = missing.iter().map(|one| of(one.packages())).collect();
            names.retain(|name| !name.is_empty());
            names.sort_unstable();
            names.dedup();
            names.join(" ")
        };
        let debian = packages(|packages| packages.debian);
        let by_hand = vec![
            ("Debian, Ubuntu", format!("sudo apt-get install --no-install-recommends {debian}")),
            ("Fedora", format!("sudo dnf install {}", packages(|packages| packages.fedora))),
            ("macOS", format!("brew install {}", packages(|packages| packages.macos))),
        ];
        let script = (has_apt && !missing.is_empty()).then(|| apt_script(&debian));
        Self { missing, by_hand, script }
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    fn hand_text(&self) -> String {
        self.by_hand.iter().map(|(system, line)| format!("\n  {:<16} {line}", format!("{system}:"))).collect()
    }
}

impl fmt::Display for InstallPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing is missing");
        }
        let names: Vec<&str> = self.missing.iter().map(|one| one.program()).collect();
        write!(f, "missing: {}", names.join(", "))?;
        match &self.script {
            Some(script) => write!(f, "\nas root:\n{script}"),
            None => write!(f, "\ninstall by hand:{}", self.hand_text()),
        }
    }
}

/// What a package would have listen from the next start of the machine on.
fn services(package: &str) -> &'static [&'static str] {
    match package {
        "nginx" => &["nginx"],
        "prometheus" => &["prometheus"],
        // Debian starts it as the one, Ubuntu as the other.
        "openssh-server" => &["ssh.service", "ssh.socket"],
        _ => &[],
    }
}

/// An index that is missing or stale is fetched only when installing did not do without. A package must not start
/// its service, which the policy file prevents while packages are set up.
fn apt_script(packages: &str) -> String {
    // Nor at the next start of the machine, nor where it has a policy of its own; what was there before is not installed, and
    // so not touched.
    let services: Vec<&str> = packages.split(' ').flat_map(services).copied().collect();
    let quiet = match services.join(" ") {
        none if none.is_empty() => String::new(),
        services => format!(
            "if command -v systemctl >/dev/null; then for unit in {services}; do systemctl -q disable --now \"$unit\" || true; done; fi\n"
        ),
    };
    format!(
        r#"set -u
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt() {{ apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o Acquire::http::Timeout=60 "$@"; }}
get() {{ apt install -y --no-install-recommends {packages}; }}
get || {{ apt update && get; }} || exit
{quiet}"#
    )
}

/// Why what is missing was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Nobody here may install, or not on this system.
    #[error("install {missing}: {reason}; run what fits your system, then try again:{commands}")]
    ByHand {
        /// What is missing.
        missing: String,
        /// Why not by us.
        reason: &'static str,
        /// A command for each system.
        commands: String,
    },
    /// The shell, `sudo` or apt could not be run.
    #[error("run the installation")]
    Run(#[source] std::io::Error),
    /// The package manager failed.
    #[error("install {missing}: the package manager ended with {status} and says:\n{said}")]
    Failed {
        /// What was to be installed.
        missing: String,
        /// Its exit status.
        status: String,
        /// The end of what it said.
        said: String,
    },
    /// It was installed and still is not there.
    #[error("find {missing} after the installation; look where its package has put it, and extend PATH")]
    StillMissing {
        /// What is still missing.
        missing: String,
    },
}

/// Installs what the plan says, as root or through `sudo` where somebody can type a password, and looks again.
///
/// # Errors
/// [`InstallError::ByHand`] names the command for each system when we cannot.
pub fn install(plan: &InstallPlan) -> Result<(), InstallError> {
    if plan.is_empty() {
        return Ok(());
    }
    let missing = names(&plan.missing);
    let by_hand =
        |reason| InstallError::ByHand { missing: missing.clone(), reason, commands: plan.hand_text() };
    let Some(script) = &plan.script else { return Err(by_hand("this system has no apt-get")) };
    let output = if rustix::process::geteuid().is_root() {
        run(Path::new("/bin/sh"), &["-c", script], Stdio::null())
    } else {
        let sudo = environment().find_program(&["sudo"]).ok_or_else(|| by_hand("only root may install"))?;
        if !std::io::stdin().is_terminal() {
            return Err(by_hand("only root may install, and there is no terminal to ask for a password"));
        }
        run(&sudo, &["/bin/sh", "-c", script], Stdio::inherit())
    };
    let output = output.map_err(InstallError::Run)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let skipped = said.lines().count().saturating_sub(20);
        let said = said.lines().skip(skipped).collect::<Vec<_>>().join("\n");
        return Err(InstallError::Failed { missing, status: output.status.to_string(), said });
    }
    let still: Vec<Requirement> = InstallPlan::new(&look()).missing;
    if still.is_empty() { Ok(()) } else { Err(InstallError::StillMissing { missing: names(&still) }) }
}

fn names(requirements: &[Requirement]) -> String {
    requirements.iter().map(|one| one.program()).collect::<Vec<_>>().join(", ")
}

/// Not tied to our life: a package manager cut short leaves a system to be repaired. Its own limits bound it.
fn run(program: &Path, arguments: &[&str], input: Stdio) -> std::io::Result<Output> {
    command(program).args(arguments).stdin(input).env("PATH", environment().search_path()).output()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_found() -> Vec<Found> {
        Requirement::ALL.map(|requirement| Found { requirement, path: None, version: None }).into()
    }

    #[test]
    fn the_plan_for_a_bare_machine_prints_in_full() {
        insta::assert_snapshot!(InstallPlan::on(&nothing_found(), true));
        insta::assert_snapshot!(InstallPlan::on(&nothing_found(), false));
    }

    #[test]
    fn a_server_that_the_tests_bring_listens_to_nobody_and_one_that_was_there_is_left_alone() {
        let found = |path: Option<&str>| Found {
            requirement: Requirement::Sshd,
            path: path.map(Into::into),
            version: None,
        };
        let script = InstallPlan::on(&[found(None)], true).script.unwrap();
        let (before, after) = script.split_once("get || {").unwrap();
        assert!(
            before.contains("exit 101")
                && after.contains("for unit in ssh.service ssh.socket; do systemctl -q disable --now"),
            "{script}"
        );
        assert_eq!(InstallPlan::on(&[found(Some("/usr/sbin/sshd"))], true).script, None);
    }

    #[test]
    fn nothing_missing_is_nothing_to_do() {
        let plan = InstallPlan::on(&[], true);
        assert!(plan.is_empty() && plan.script.is_none());
        install(&plan).unwrap();
    }
}
