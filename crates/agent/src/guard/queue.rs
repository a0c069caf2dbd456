//! The processes of events that were not handled yet, in a queue of fixed size.

/// If more processes start at once, a full scan follows.
const MAX_PIDS: usize = 8192;

/// Process numbers, each once, the latest first.
#[derive(Debug)]
pub(super) struct Queue {
    pids: Vec<i32>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { pids: Vec::with_capacity(MAX_PIDS) }
    }

    /// Adds a number; `false` when there is no room.
    pub(super) fn push(&mut self, pid: i32) -> bool {
        // `sh -c PROGRAM` is two execs of one process in a row.
        if self.pids.last() == Some(&pid) {
            return true;
        }
        if self.pids.len() == MAX_PIDS {
            return false;
        }
        self.pids.push(pid);
        true
    }

    pub(super) fn pop(&mut self) -> Option<i32> {
        self.pids.pop()
    }

    pub(super) fn clear(&mut self) {
        self.pids.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_grows_and_keeps_repeated_execs_once() {
        let mut queue = Queue::new();
        assert!(queue.push(7) && queue.push(7));
        assert_eq!((queue.pop(), queue.pop()), (Some(7), None));
        for pid in 0..MAX_PIDS {
            assert!(queue.push(i32::try_from(pid).unwrap()));
        }
        let room = queue.pids.capacity();
        assert!(!queue.push(-1));
        assert_eq!(queue.pids.capacity(), room);
        queue.clear();
        assert!(queue.push(-1));
    }
}
