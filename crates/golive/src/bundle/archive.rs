//! The archive around a bundle's files. The same files are always the same bytes, so that a byte changed between the files, where
//! no digest looks, is found by writing the archive again.
//!
//! Not here: what the files are.

use std::io::Read;

use super::MOST_BYTES;

/// An archive of these files, in this order.
pub(super) fn write<'f>(files: impl IntoIterator<Item = &'f (String, Vec<u8>)>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes.as_slice()).expect("memory takes whatever is written");
    }
    archive.into_inner().expect("memory takes whatever is written")
}

/// The files of an archive, in its order.
///
/// # Errors
/// In words, when it is no archive, or one that holds what no bundle does.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().map_err(|error| error.to_string())?;
    for entry in entries {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let name = entry.path().map_err(|error| error.to_string())?.to_string_lossy().into_owned();
        let is_plain = entry.header().entry_type() == tar::EntryType::Regular
            && !name.contains(['/', '\\', '\0'])
            && name != "..";
        if !is_plain {
            return Err(format!("`{}` is not a plain file", name.escape_debug()));
        }
        if files.iter().any(|(known, _)| *known == name) {
            return Err(format!("`{}` is in it twice", name.escape_debug()));
        }
        if files.len() == MOST_FILES {
            return Err(format!("it holds more than {MOST_FILES} files"));
        }
        let mut content = Vec::new();
        let took = entry.by_ref().take(MOST_BYTES + 1).read_to_end(&mut content);
        let took = took.map_err(|error| error.to_string())?;
        if took as u64 > MOST_BYTES || took as u64 != entry.size() {
            return Err(format!("`{}` is cut short or too long", name.escape_debug()));
        }
        files.push((name, content));
    }
    Ok(files)
}

const MOST_FILES: usize = 64;
