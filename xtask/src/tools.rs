//! Programs of others that a chore runs and no package manager brings: each in the version it is known by, below target/.

use std::path::PathBuf;

use crate::run::{Failure, Workspace, finish_on_stderr, program, runs, say_error};

/// One of them, from the registry of crates.
pub(crate) struct Tool {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// What `cargo install` is told besides.
    pub(crate) options: &'static [&'static str],
    /// What it is asked to see whether it runs.
    pub(crate) probe: &'static [&'static str],
}

impl Tool {
    /// Where it is; installed first where it is not there yet.
    pub(crate) fn installed(&self, workspace: &Workspace) -> Result<PathBuf, Failure> {
        let Self { package, version, .. } = self;
        let root = workspace.target.join("tools").join(format!("{package}-{version}"));
        let file = root.join("bin").join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
        let mut probe = program(&file);
        probe.args(self.probe);
        if runs(probe) {
            return Ok(file);
        }
        say_error(&format!("installs {package} {version} below target/: once, some minutes on two cores"));
        let mut install = workspace.cargo(&["install", package, "--version", version, "--locked"]);
        install.args(self.options).arg("--root").arg(&root);
        match finish_on_stderr(install)? {
            0 => Ok(file),
            code => Err(Failure::out_of_reach(format!(
                "{package} could not be installed (exit code {code}): it comes from the registry of crates"
            ))),
        }
    }
}
