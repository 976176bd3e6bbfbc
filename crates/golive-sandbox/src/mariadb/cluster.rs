//! What a node of a cluster on this machine needs to join without the scripts of the full server package: a state transfer
//! that transfers nothing. It works between nodes whose data was copied from one another while they stood still; what
//! happened since is replayed by the cluster itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::directory::{at, create_directory, write_private};
use crate::error::StartError;

/// The server looks for `wsrep_sst_METHOD` where programs are.
const PROGRAM: &str = "wsrep_sst_golive";
/// The joiner names its data directory as its address; the donor leaves the position there.
const SCRIPT: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --role) role=$2; shift ;;
    --address) address=$2; shift ;;
    --gtid) gtid=$2; shift ;;
    --datadir) data=$2; shift ;;
  esac
  shift
done
if [ "$role" = joiner ]; then
  state=$data/golive-state
  rm -f "$state"
  echo "ready 127.0.0.1:1/$data"
  tries=0
  while [ ! -s "$state" ]; do
    tries=$((tries + 1))
    [ "$tries" -gt 600 ] && exit 110
    sleep 0.1
  done
  cat "$state"
else
  state=${address#*/}/golive-state
  echo continue
  echo "$gtid" > "$state.new" && mv "$state.new" "$state" && echo "done $gtid"
fi
"#;

/// Puts the script into the private directory; where programs are looked for must begin with what this returns.
pub(super) fn transfer_script(private: &Path) -> Result<std::path::PathBuf, StartError> {
    let folder = private.join("bin");
    create_directory(&folder)?;
    let script = folder.join(PROGRAM);
    write_private(&script, SCRIPT)?;
    fs::set_permissions(&script, Permissions::from_mode(0o700)).map_err(at(&script))?;
    Ok(folder)
}
