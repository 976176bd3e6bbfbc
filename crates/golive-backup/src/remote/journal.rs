//! What was begun in a remote place and is not ended.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Remote, Store};

/// An object that goes when all is done, and that whoever comes next works off. A bucket keeps the pieces of an upload
/// that was never ended, unseen and paid for, so these stand in it one by one; a folder shows what lies in it.
#[derive(Clone)]
pub(crate) struct Journal {
    remote: Remote,
    name: String,
    begun: Arc<Mutex<Vec<Begun>>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Begun {
    object: String,
    upload: String,
}

impl Journal {
    /// A journal that nobody has begun yet: it also reserves the name for us.
    pub(crate) fn create(remote: &Remote, name: &str) -> io::Result<Self> {
        remote.create(name, b"[]\n".to_vec())?;
        Ok(Self { remote: remote.clone(), name: name.to_owned(), begun: Arc::default() })
    }

    /// One that somebody left. What cannot be read of it is lost to it, as a torn line is.
    pub(crate) fn take_over(remote: &Remote, name: &str) -> io::Result<Self> {
        let begun = serde_json::from_slice(&remote.read(name)?).unwrap_or_default();
        Ok(Self { remote: remote.clone(), name: name.to_owned(), begun: Arc::new(Mutex::new(begun)) })
    }

    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(super) fn note(&self, object: &str, upload: &str) -> io::Result<()> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push(Begun { object: object.to_owned(), upload: upload.to_owned() });
        let text = serde_json::to_vec(&*begun).map_err(io::Error::other)?;
        self.remote.write(&self.name, text)
    }

    /// Takes back every upload that was begun and not ended.
    pub(crate) fn abort(&self) -> io::Result<()> {
        let Store::S3(store) = &self.remote.store else { return Ok(()) };
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for Begun { object, upload } in begun {
            let (store, path) = (store.clone(), self.remote.path(&object));
            let aborted = self.remote.begin(async move { store.abort(&path, &upload).await }).wait();
            // One that was ended or taken back before is gone.
            aborted
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        Ok(())
    }

    /// Nothing is open any more.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.remote.remove(&self.name)
    }
}
