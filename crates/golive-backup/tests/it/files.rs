//! State files: encrypted, restored with their permissions, never over something.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use golive_backup::{
    Content, Depth, Key, Keys, Progress, Repository, StateError, back_up_state, restore_state, verify_backup,
};

use crate::world::noon;

#[tokio::test]
async fn state_files_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("app");
    fs::create_dir_all(source.join("deploy")).unwrap();
    let files = [
        (source.join(".env"), "SECRET_KEY=top-secret-value\n", 0o600),
        (source.join("deploy/compose.yaml"), "services: {}\n", 0o644),
    ];
    for (path, text, mode) in &files {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    let repository =
        Repository::open_local(directory.path().join("repository"), Keys::with_identity(Key::generate()))
            .unwrap();
    let paths: Vec<_> = files.iter().map(|(path, ..)| path.clone()).collect();
    let manifest = back_up_state(&repository, &paths, noon(0)).unwrap();
    let Content::State(facts) = &manifest.content else { panic!("{manifest:?}") };
    assert_eq!(facts.files.len(), 2);
    let stored =
        fs::read(repository.directory().join(manifest.id.as_str()).join(&manifest.parts[0].name)).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("top-secret-value"));
    assert!(
        verify_backup(&repository, &manifest.id, Depth::Contents, noon(0), &Progress::silent())
            .await
            .unwrap()
            .passed()
    );

    let target = directory.path().join("recovered");
    let written = restore_state(&repository, &manifest.id, &target).unwrap();
    for ((_, text, mode), path) in files.iter().zip(&written) {
        assert!(path.starts_with(&target));
        assert_eq!(fs::read_to_string(path).unwrap(), *text);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, *mode);
    }
    assert!(matches!(restore_state(&repository, &manifest.id, &target), Err(StateError::NotEmpty { .. })));
    assert!(matches!(
        back_up_state(&repository, &[source.join("absent")], noon(0)),
        Err(StateError::File { .. })
    ));
    assert!(matches!(
        back_up_state(&repository, std::slice::from_ref(&source), noon(0)),
        Err(StateError::Unsuitable { .. })
    ));
    assert_eq!(repository.list().unwrap().len(), 1, "what failed left nothing");
}
