//! What a model counts.

/// Of one queue since it was enabled.
#[derive(Debug, Clone)]
pub struct QueueStatistics {
    pub queue: String,
    pub queue_id: u32,
    /// Descriptors that got an entry.
    pub accepted: u64,
    /// Stores that found no room, or no device, and vanished.
    pub lost: u64,
    /// Times that somebody was told to try again.
    pub retried: u64,
    /// Done, with or without a record.
    pub completed: u64,
    /// Dropped by a reset, a death or the end of the queue.
    pub aborted: u64,
    /// Entries taken up now.
    pub waiting: u64,
    /// In the hands of engines now.
    pub in_flight: u64,
    /// How many ended with each status, those that did.
    pub by_status: Vec<(u8, u64)>,
}

/// Of one engine since its device was enabled.
#[derive(Debug, Clone)]
pub struct EngineStatistics {
    pub engine: usize,
    pub group: usize,
    /// Descriptors it took.
    pub taken: u64,
    /// How long it was at work, while the model has a latency or a rate.
    pub busy_ns: u64,
}

/// Of a device that is enabled.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    pub queues: Vec<QueueStatistics>,
    pub engines: Vec<EngineStatistics>,
}

/// Counts of one queue's lane, kept under its group's lock.
#[derive(Debug)]
pub(super) struct Counts {
    pub completed: u64,
    pub aborted: u64,
    by_status: [u64; 64],
}

impl Default for Counts {
    fn default() -> Self {
        Self { completed: 0, aborted: 0, by_status: [0; 64] }
    }
}

impl Counts {
    pub fn complete(&mut self, status: u8) {
        self.completed += 1;
        if let Some(count) = self.by_status.get_mut(usize::from(status & 0x3f)) {
            *count += 1;
        }
    }

    pub fn by_status(&self) -> Vec<(u8, u64)> {
        let all = self.by_status.iter().enumerate();
        all.filter(|(_, count)| **count > 0).map(|(status, count)| (status as u8, *count)).collect()
    }
}
