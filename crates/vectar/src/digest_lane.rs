//! SHA-256 of the whole snapshot, on a thread of its own: it is a serial chain and must not hold the others up.

use std::thread::ScopedJoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest, Sha256};

use crate::{error::Error, window::Window};

/// Windows that wait for the hasher.
const QUEUE_WINDOWS: usize = 8;

/// The sending end of the lane.
pub(crate) struct DigestLane<'scope> {
    windows: Sender<Window>,
    thread: ScopedJoinHandle<'scope, [u8; 32]>,
}

impl<'scope> DigestLane<'scope> {
    pub(crate) fn start(scope: &'scope std::thread::Scope<'scope, '_>) -> Self {
        let (windows, queue) = bounded(QUEUE_WINDOWS);
        Self { windows, thread: scope.spawn(move || digest(&queue)) }
    }

    pub(crate) fn update(&self, window: &Window) -> Result<(), Error> {
        self.windows.send(window.clone()).map_err(|_| Error::ThreadLost { task: "computes SHA-256" })
    }

    pub(crate) fn finish(self) -> Result<[u8; 32], Error> {
        drop(self.windows);
        self.thread.join().map_err(|_| Error::ThreadLost { task: "computes SHA-256" })
    }
}

fn digest(queue: &Receiver<Window>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for window in queue {
        hasher.update(&window[..]);
    }
    hasher.finalize().into()
}
