//! Atomic replacement of files.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::exceptions::{PyIsADirectoryError, PyMemoryError, PyOSError};

use crate::entry::prelude::*;

/// The error that Python's own functions raise: the subclass of `OSError` for the error number, with the path in `filename`.
pub(crate) fn os_error(path: &Path, e: &io::Error) -> PyErr {
    if e.kind() == ErrorKind::OutOfMemory {
        return PyMemoryError::new_err(format!("{}: {e}", path.display()));
    }
    let text = e.to_string();
    match e.raw_os_error() {
        Some(number) => {
            let text = text.split(" (os error").next().unwrap_or_default().to_string();
            PyOSError::new_err((number, text, path.as_os_str().to_owned()))
        }
        None => PyOSError::new_err(format!("{}: {text}", path.display())),
    }
}

/// `OSError` for anything but a regular file: a folder, a device, a FIFO, a socket.
pub(crate) fn check_regular(path: &Path, found: &Metadata) -> PyResult<()> {
    if found.is_file() {
        return Ok(());
    }
    let path = path.display();
    if found.is_dir() {
        return Err(PyIsADirectoryError::new_err(format!("{path} is a folder; name a file in it")));
    }
    Err(PyOSError::new_err(format!(
        "{path} is a device, a FIFO or a socket, and tensors are kept in ordinary files; name one"
    )))
}

/// The target of a path, through symbolic links, with its metadata if it exists. `OSError` if it may not be written.
fn target(path: &Path) -> PyResult<(PathBuf, Option<Metadata>)> {
    let error = |e: io::Error| os_error(path, &e);
    match fs::metadata(path) {
        Ok(found) => {
            check_regular(path, &found)?;
            // Replacing it needs only the folder's permission, but a write-protected file must stay as it is.
            OpenOptions::new().write(true).open(path).map_err(error)?;
            Ok((fs::canonicalize(path).map_err(error)?, Some(found)))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let mut path = path.to_path_buf();
            // A dangling link; a cycle of links is another error.
            while let Ok(link) = fs::read_link(&path) {
                path.pop();
                path.push(link);
            }
            Ok((path, None))
        }
        Err(e) => Err(error(e)),
    }
}

/// Creates the file with the permissions of the other one from the start, so that nobody else can read it.
#[cfg(unix)]
fn like(options: &mut OpenOptions, found: &Metadata) {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    options.mode((found.mode() & 0o777) | 0o200);
}

#[cfg(not(unix))]
fn like(_: &mut OpenOptions, _: &Metadata) {}

/// Creates an empty file next to the target of `path`, with its permissions, and returns the paths of both.
pub(crate) fn begin(path: &Path) -> PyResult<(PathBuf, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (target, found) = target(path)?;
    let is_folder =
        path.as_os_str().as_encoded_bytes().last().is_some_and(|&last| std::path::is_separator(last.into()));
    if is_folder || target.file_name().is_none() {
        return Err(PyIsADirectoryError::new_err(format!("{:?} names no file", path.display().to_string())));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if let Some(found) = &found {
        like(&mut options, found);
    }
    loop {
        let name = format!(".rgrad.{}.{}.part", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let aside = target.with_file_name(name);
        match options.open(&aside) {
            Ok(_) => return Ok((aside, target)),
            // Left by a killed process with the same id.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(os_error(path, &e)),
        }
    }
}

/// Replaces the target by the written file, with the target's permissions and, if allowed, its owner.
pub(crate) fn finish(aside: &Path, target: &Path) -> PyResult<()> {
    let replace = || {
        OpenOptions::new().write(true).open(aside)?.sync_all()?;
        if let Ok(found) = fs::metadata(target) {
            #[cfg(unix)]
            {
                use std::os::unix::fs::{MetadataExt, chown};
                let ours = fs::metadata(aside)?;
                if (ours.uid(), ours.gid()) != (found.uid(), found.gid()) {
                    // Only root may give files away.
                    let _ = chown(aside, Some(found.uid()), Some(found.gid()));
                }
            }
            fs::set_permissions(aside, found.permissions())?;
        }
        fs::rename(aside, target)
    };
    replace().map_err(|e| os_error(target, &e))
}

/// Creates an empty file next to the target of `path`, and returns the paths of both.
#[pyfunction]
#[pyo3(signature = (path) -> "tuple[str, str]")]
pub fn _begin_file(path: PathBuf) -> PyResult<(std::ffi::OsString, std::ffi::OsString)> {
    begin(&path).map(|(aside, target)| (aside.into(), target.into()))
}

/// Replaces the target by a file from `_begin_file`.
#[pyfunction]
pub fn _finish_file(py: Python<'_>, aside: PathBuf, target: PathBuf) -> PyResult<()> {
    py.detach(|| finish(&aside, &target))
}
