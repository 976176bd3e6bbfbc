//! How much space is left under a path, asked of `df`, the one way that needs no unsafe code. The only program this
//! crate starts.

use std::path::Path;

use crate::health::CheckOutput;

/// Free space below which disk is a worry, and below which it is a failure.
const DEGRADED_BELOW_PERCENT: u64 = 10;
const DOWN_BELOW_PERCENT: u64 = 2;

/// Judges the free space under `path`.
pub(crate) async fn check(path: &Path) -> Result<CheckOutput, String> {
    let text = df(path).await?;
    let free = free_percent(&text).ok_or_else(|| format!("df told nothing about {}", path.display()))?;
    let detail = format!("{free} % free under {}", path.display());
    Ok(match free {
        0..DOWN_BELOW_PERCENT => CheckOutput::down(detail),
        DOWN_BELOW_PERCENT..DEGRADED_BELOW_PERCENT => CheckOutput::degraded(detail),
        _ => CheckOutput::up_with(detail),
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate that starts a program")]
async fn df(path: &Path) -> Result<String, String> {
    let mut command = tokio::process::Command::new("df");
    command.arg("-Pk").arg("--").arg(path).env("LC_ALL", "C").kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("start df: {error}"))?;
    if !output.status.success() {
        return Err(format!("df cannot see {}: check that it exists", path.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The free share by the fifth column of POSIX `df -P`, which says how full it is for ordinary users.
fn free_percent(df: &str) -> Option<u64> {
    let line = df.lines().nth(1)?;
    let used: u64 =
        line.split_ascii_whitespace().rev().find_map(|word| word.strip_suffix('%'))?.parse().ok()?;
    Some(100_u64.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capacity_column_is_read() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 91 9 91% /a b\n";
        assert_eq!(free_percent(text), Some(9));
        assert_eq!(free_percent("nothing"), None);
    }

    #[tokio::test]
    async fn a_real_directory_is_judged_and_a_missing_one_is_an_error() {
        assert!(check(Path::new("/")).await.unwrap().detail.unwrap().contains("% free"));
        assert!(check(Path::new("/does/not/exist")).await.is_err());
    }
}
