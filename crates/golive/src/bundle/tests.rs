//! Whatever is done to a bundle is found and named.

use super::*;
use crate::run_dir::RunDirectory;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap()
}

fn a_run(base: &Path) -> PathBuf {
    let directory = RunDirectory::create(base, "20260504T1").unwrap();
    let at = now();
    let journal = Journal::open(&directory.path(JOURNAL)).unwrap();
    journal.append(Entry::Started { at, step: "copy".to_owned() }).unwrap();
    let report = golive_gate::judge(&[], &[], &golive_gate::Policy::default(), at);
    crate::report::write(&report, directory.root()).unwrap();
    directory.keep_secret("key", &secrecy::SecretString::from("planted-s3cret")).unwrap();
    directory.root().to_owned()
}

fn made() -> (Vec<u8>, EvidenceKey) {
    let base = tempfile::tempdir().unwrap();
    let key = EvidenceKey::generate();
    (bundle(&a_run(base.path()), &key, now()).unwrap(), key)
}

#[test]
fn a_bundle_is_whole_holds_the_evidence_and_nothing_else() {
    let (bytes, key) = made();
    let verdict = verify_bundle(&bytes, &key.signer());
    assert_eq!(verdict.problems, []);
    let manifest = verdict.manifest.unwrap();
    assert_eq!((manifest.run.as_str(), manifest.verdict.as_str()), ("20260504T1", "inconclusive"));
    let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, FILES);
    assert!(!bytes.windows(14).any(|part| part == b"planted-s3cret"));
}

#[test]
fn one_changed_byte_anywhere_is_found() {
    let (bytes, key) = made();
    // The list, its signature and the key closely, frames and fill among them; the rest here and there.
    let head = bytes.len().min(6 * 1024);
    for place in (0..head).step_by(11).chain((head..bytes.len()).step_by(1009)) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x01;
        assert!(!verify_bundle(&changed, &key.signer()).is_whole(), "byte {place} of {}", bytes.len());
    }
    for longer in [[bytes.as_slice(), b"x"].concat(), [bytes.as_slice(), &[0; 512]].concat()] {
        assert!(!verify_bundle(&longer, &key.signer()).is_whole());
    }
    for shorter in (0..bytes.len()).step_by(4099) {
        assert!(!verify_bundle(&bytes[..shorter], &key.signer()).is_whole(), "cut at {shorter}");
    }
}

#[test]
fn what_was_done_is_named() {
    let (bytes, key) = made();
    let files = archive::read(&bytes).unwrap();
    let problems =
        |files: &[(String, Vec<u8>)]| verify_bundle(&archive::write(files), &key.signer()).problems;
    for place in 0..files.len() {
        let (name, mut less) = (files[place].0.clone(), files.clone());
        less.remove(place);
        assert_eq!(problems(&less), [BundleProblem::Missing { file: name.clone() }]);
        let mut changed = files.clone();
        let end = changed[place].1.len() - 1;
        changed[place].1[end] ^= 0x01;
        let expected = match name.as_str() {
            MANIFEST | SIGNATURE => BundleProblem::ListChanged,
            SIGNER => BundleProblem::SignerChanged,
            _ => BundleProblem::Changed { file: name },
        };
        assert_eq!(problems(&changed), [expected]);
    }
    let mut more = files.clone();
    more.push(("note.txt".to_owned(), b"all is well".to_vec()));
    assert_eq!(problems(&more), [BundleProblem::Added { file: "note.txt".to_owned() }]);
    let mut turned = files;
    turned.reverse();
    assert_eq!(problems(&turned), [BundleProblem::FrameChanged]);
    assert!(
        matches!(problems(&[more.clone(), more].concat())[..], [BundleProblem::Unreadable { .. }]),
        "twice the same name"
    );
}

#[test]
fn a_foreign_key_and_a_list_that_lies_are_named() {
    let (bytes, key) = made();
    let stranger = EvidenceKey::generate();
    let expected = [BundleProblem::ForeignSigner { signer: key.signer().to_string() }];
    assert_eq!(verify_bundle(&bytes, &stranger.signer()).problems, expected);
    // Whoever changes a file and signs anew is somebody else.
    let mut files = archive::read(&bytes).unwrap().split_off(3);
    files[0].1.push(b'\n');
    let mut manifest = verify_bundle(&bytes, &key.signer()).manifest.unwrap();
    manifest.files[0] = BundledFile::of(&files[0].0, &files[0].1);
    let forged = pack(&manifest, files.clone(), &stranger);
    let expected = [BundleProblem::ForeignSigner { signer: stranger.signer().to_string() }];
    assert_eq!(verify_bundle(&forged, &key.signer()).problems, expected);
    // And the holder of the key cannot sign a verdict that the report does not give.
    manifest.verdict = "go".to_owned();
    assert_eq!(
        verify_bundle(&pack(&manifest, files, &key), &key.signer()).problems,
        [BundleProblem::ReportDiffers]
    );
}

#[test]
fn a_run_that_goes_on_has_no_bundle() {
    let base = tempfile::tempdir().unwrap();
    let folder = a_run(base.path());
    let key = EvidenceKey::generate();
    let later = now() + chrono::TimeDelta::seconds(1);
    let journal = Journal::open(&folder.join(JOURNAL)).unwrap();
    journal.append(Entry::Started { at: later, step: "verify".to_owned() }).unwrap();
    assert!(matches!(bundle(&folder, &key, later), Err(BundleError::NotEnded { .. })));
    std::fs::remove_file(folder.join(REPORT)).unwrap();
    assert!(matches!(bundle(&folder, &key, later), Err(BundleError::NotEnded { .. })));
}

#[test]
fn a_key_is_made_once_kept_private_and_known_by_its_public_half() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.key");
    let made = EvidenceKey::read_or_make(&path).unwrap();
    let again = EvidenceKey::read_or_make(&path).unwrap();
    assert_eq!(made.signer(), again.signer());
    assert_eq!(made.signer().to_string().parse::<Signer>().unwrap(), made.signer());
    assert_eq!(made.signer().to_pem().parse::<Signer>().unwrap(), made.signer());
    assert!("ed25519:AAAA".parse::<Signer>().is_err());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!format!("{made:?}").contains(text.lines().nth(1).unwrap()));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        EvidenceKey::read_or_make(&path),
        Err(EvidenceKeyError::Permissions { mode: 0o640, .. })
    ));
    std::fs::write(&path, "no key").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(EvidenceKey::read_or_make(&path), Err(EvidenceKeyError::NoKey { .. })));
}
