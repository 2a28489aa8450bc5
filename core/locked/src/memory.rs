#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};
use rustix::process::{Resource, getrlimit};
use zeroize::Zeroize;

use crate::LockError;

/// A value in memory of its own that is locked into RAM, absent from core dumps, empty in forked
/// processes, and wiped after the value's own `Drop`.
///
/// - It protects the bytes of `T` itself, not what `T` points to: put arrays in it, not a `Vec`.
/// - It costs whole pages. With 4 KiB pages and the common `RLIMIT_MEMLOCK` of 8 MiB that is 2048
///   values, so keys that live and die together belong together in one `T`.
/// - It stays put: moving a `Locked` moves a pointer.
/// - After a `fork` without `exec` the child finds zeros in it, and must not touch or drop it.
///
/// There is no `Clone`, `Debug` or comparison, and no way to move the value out.
pub struct Locked<T> {
    pages: Pages,
    value: PhantomData<T>,
}

impl<T> Locked<T> {
    /// Moves `value` into locked memory.
    ///
    /// A move is a copy of bytes. The last place on the stack is wiped here; those before it (the
    /// caller's, the compiler's) are not. For a key without any copy on the stack, lock an empty
    /// value and fill it through [`DerefMut`], as in the crate's example.
    ///
    /// # Errors
    ///
    /// [`LockError`] when the memory cannot be had; `value` is dropped.
    pub fn new(value: T) -> Result<Self, LockError> {
        let pages = Pages::lock(size_of::<T>())?;
        Ok(Self::store(pages, &mut MaybeUninit::new(value)))
    }

    /// Locks memory first, then calls `make` and moves what it returns there. When the memory
    /// cannot be had, the secret is never made.
    ///
    /// The value is on the stack between `make` and the lock, and is wiped there at once; `make`'s
    /// own frame can still have a copy, as with [`Locked::new`].
    ///
    /// # Errors
    ///
    /// [`LockError`] when the memory cannot be had.
    pub fn new_with(make: impl FnOnce() -> T) -> Result<Self, LockError> {
        let pages = Pages::lock(size_of::<T>())?;
        Ok(Self::store(pages, &mut MaybeUninit::new(make())))
    }

    /// Takes the value, which must be there, out of `from` and wipes its place.
    fn store(pages: Pages, from: &mut MaybeUninit<T>) -> Self {
        const { assert!(align_of::<T>() <= SMALLEST_PAGE) };
        debug_assert!(pages.len >= size_of::<T>());
        // SAFETY: both callers lock `size_of::<T>()` bytes, aligned to a page and so for `T`, and
        // ours alone. They give up `from`, which is wiped next, so the value has one owner.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), pages.start.cast().as_ptr(), 1) };
        from.zeroize();
        Self {
            pages,
            value: PhantomData,
        }
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `store` put a `T` there, which stays until `drop`; `&self` makes it shared.
        unsafe { self.pages.start.cast().as_ref() }
    }
}

impl<T> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: `store` put a `T` there, which stays until `drop`; `&mut self` is exclusive.
        unsafe { self.pages.start.cast().as_mut() }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: `store` put a `T` there, and nothing reads it as one after this. `pages` is
        // wiped and unmapped next, also when the value's own `Drop` panics.
        unsafe { self.pages.start.cast::<T>().drop_in_place() };
    }
}

// SAFETY: a `Locked<T>` owns its `T` alone, as a `Box<T>` does; pages belong to no thread.
unsafe impl<T: Send> Send for Locked<T> {}
// SAFETY: `&Locked<T>` gives `&T` and nothing else.
unsafe impl<T: Sync> Sync for Locked<T> {}

/// No system that we build for has smaller pages.
const SMALLEST_PAGE: usize = 4096;

/// An anonymous mapping. Wiped and unmapped on drop.
struct Pages {
    start: NonNull<c_void>,
    len: usize,
}

impl Pages {
    /// Zeroed pages for `size` bytes, at least one, locked and kept out of dumps.
    fn lock(size: usize) -> Result<Self, LockError> {
        let pages = Self::map(size)?;
        let bytes = pages.len;
        pages
            .hide()
            .map_err(|source| LockError::Advise { bytes, source })?;
        // SAFETY: the range is one whole mapping, which is ours; locking changes no byte of it.
        unsafe { mlock(pages.start.as_ptr(), bytes) }.map_err(|source| LockError::Lock {
            bytes,
            limit: getrlimit(Resource::Memlock).current,
            source: source.into(),
        })?;
        Ok(pages)
    }

    fn map(size: usize) -> Result<Self, LockError> {
        let refused = |source: io::Error| LockError::Map {
            bytes: size,
            source,
        };
        let len = size
            .max(1)
            .checked_next_multiple_of(rustix::param::page_size())
            .ok_or_else(|| refused(io::ErrorKind::OutOfMemory.into()))?;
        // SAFETY: a new private mapping wherever the kernel likes touches no memory in use.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }
        .map_err(|source| refused(source.into()))?;
        let start =
            NonNull::new(start).ok_or_else(|| refused(io::ErrorKind::OutOfMemory.into()))?;
        Ok(Self { start, len })
    }

    /// A forked child inherits pages but no locks, so it gets zeros instead of pages that can be
    /// swapped out. Kernels before 4.14 know nothing of that and say `EINVAL`.
    #[cfg(target_os = "linux")]
    fn hide(&self) -> io::Result<()> {
        use rustix::io::Errno;
        use rustix::mm::{Advice, madvise};

        // SAFETY: the range is one whole mapping, which is ours; this advice changes no byte of it.
        unsafe { madvise(self.start.as_ptr(), self.len, Advice::LinuxDontDump)? };
        // SAFETY: as above, in this process.
        match unsafe { madvise(self.start.as_ptr(), self.len, Advice::LinuxWipeOnFork) } {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn hide(&self) -> io::Result<()> {
        Ok(())
    }

    fn wipe(&mut self) {
        // SAFETY: the range is one whole mapping, readable, writable and borrowed from `self`.
        // `MaybeUninit`, since what was there can have had padding.
        let bytes: &mut [MaybeUninit<u8>] =
            unsafe { slice::from_raw_parts_mut(self.start.cast().as_ptr(), self.len) };
        bytes.zeroize();
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the mapping is ours and whole, and `self` was the only way to it. It can fail
        // only where a neighbour's mapping would have to be split: wiped pages then stay behind.
        let _ = unsafe { munmap(self.start.as_ptr(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pages: &Pages) -> &[u8] {
        // SAFETY: anonymous pages begin as zeros, and these tests write nothing but bytes to them.
        unsafe { slice::from_raw_parts(pages.start.cast().as_ptr(), pages.len) }
    }

    #[test]
    fn wiping_reaches_every_byte() {
        let mut pages = Pages::lock(SMALLEST_PAGE + 1).unwrap();
        // SAFETY: the whole mapping, which is ours.
        unsafe { pages.start.cast::<u8>().write_bytes(0xa5, pages.len) };
        assert!(bytes(&pages).iter().all(|b| *b == 0xa5));
        pages.wipe();
        assert!(bytes(&pages).iter().all(|b| *b == 0));
    }

    #[test]
    fn nothing_takes_a_page_and_a_byte_too_many_takes_two() {
        let page = rustix::param::page_size();
        assert_eq!(Pages::lock(0).unwrap().len, page);
        assert_eq!(Pages::lock(page).unwrap().len, page);
        assert_eq!(Pages::lock(page + 1).unwrap().len, 2 * page);
    }
}
