//! Tools of others that judge the console: axe-core, and schemathesis. They come from PyPI into an environment of their own, once.
//!
//! Not here: what they are asked.

#![allow(dead_code, reason = "each test target uses its part")]

use std::path::{Path, PathBuf};

use golive_sandbox::python_with;

/// Versions are pinned: a new rule of theirs is not to fail a build of yesterday.
const AXE: &str = "axe-playwright-python==0.1.8";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// axe-core, as a script to put into a page.
pub(crate) fn axe() -> String {
    let python = python_with(&folder("axe"), AXE).unwrap();
    let libraries = std::fs::read_dir(python.parent().unwrap().join("../lib")).unwrap();
    let mut found =
        libraries.map(|entry| entry.unwrap().path().join("site-packages/axe_playwright_python/axe.min.js"));
    let script = found.find(|path| path.exists()).expect("the package carries axe-core");
    std::fs::read_to_string(script).unwrap()
}

/// The program `schemathesis`.
pub(crate) fn schemathesis() -> PathBuf {
    python_with(&folder("schemathesis"), SCHEMATHESIS).unwrap().with_file_name("schemathesis")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers").join(name)
}
