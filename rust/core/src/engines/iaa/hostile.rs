//! A device that lies: whatever its completion records say, the driver does not crash, leak or give more than was written.

use super::driver::{Driver, SyncMode};
use super::form::Form;
use super::modes::Mode;
use super::table::{Mapping, Topology};
use crate::alg::{Call, Direction, Job, Params, Transform};
use crate::buffer::{EMPTY, Output, Pool, Source};
use crate::idxd::port::{Abilities, Mapped, Mode as Sharing, Queue, QueueInfo};
use crate::idxd::space::{Iommu, Space};
use crate::idxd::wire::{Completion, Descriptor, analytics, opcode, status};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers at once, or late, or twice, with records made of chance; some look nearly right.
struct Liar {
    info: QueueInfo,
    iommu: Arc<Iommu>,
    state: AtomicU64,
    late: Mutex<Vec<(u64, Completion)>>,
}

impl Liar {
    fn new(seed: u64) -> Self {
        let abilities = Abilities { header_gen: true, state_len: 1248, max_transfer: 1 << 21 };
        let info = QueueInfo {
            device: "iax1".into(),
            device_id: 1,
            queue: "wq1.0".into(),
            queue_id: 0,
            name: "liar".into(),
            mode: if seed % 3 == 0 { Sharing::Shared } else { Sharing::Dedicated },
            size: 16,
            node: 0,
            pasid: 0,
            abilities,
        };
        Self { info, iommu: Iommu::new(4096), state: AtomicU64::new(seed | 1), late: Mutex::default() }
    }

    fn random(&self) -> u64 {
        let mut state = self.state.load(Ordering::Relaxed);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.state.store(state, Ordering::Relaxed);
        state
    }

    fn record(&self, descriptor: &Descriptor) -> Completion {
        let any = |this: &Self| Completion::from_words(std::array::from_fn(|_| this.random()));
        let mut record = any(self);
        let kinds = [
            status::SUCCESS,
            status::ANALYTICS_ERROR,
            status::OUTPUT_OVERFLOW,
            status::WATCHDOG,
            status::PAGE_FAULT | status::WRITE,
            status::INVALID_FLAGS,
            self.random() as u8 | 1,
        ];
        record.status = kinds[self.random() as usize % kinds.len()];
        if self.random() % 4 == 0 {
            record.error_code = analytics::OUTPUT_OVERFLOW;
        }
        let sizes =
            [0, 1, descriptor.max_dst_size, descriptor.max_dst_size.wrapping_add(1), u32::MAX, record.output_size];
        record.output_size = sizes[self.random() as usize % sizes.len()];
        if self.random() % 2 == 0 {
            record.bytes_completed = descriptor.src1_size;
        }
        record
    }

    fn answer(&self, descriptor: &Descriptor) {
        if descriptor.opcode() == opcode::NOOP {
            let _ = self.iommu.complete(descriptor.completion_addr, &Completion::of(status::SUCCESS));
            return;
        }
        let record = self.record(descriptor);
        match self.random() % 16 {
            0 => self.late.lock().unwrap().push((descriptor.completion_addr, record)),
            1 => {
                let _ = self.iommu.complete(descriptor.completion_addr, &record);
                self.late.lock().unwrap().push((descriptor.completion_addr, self.record(descriptor)));
            }
            _ => {
                let _ = self.iommu.complete(descriptor.completion_addr, &record);
            }
        }
    }
}

impl Queue for Liar {
    fn info(&self) -> &QueueInfo {
        &self.info
    }
    fn store(&self, descriptor: &Descriptor) {
        self.answer(descriptor);
    }
    fn enqueue(&self, descriptor: &Descriptor) -> bool {
        let takes = self.random() % 8 != 0;
        if takes {
            self.answer(descriptor);
        }
        takes
    }
    #[allow(unsafe_code)]
    unsafe fn map(&self, start: *mut u8, len: usize, writable: bool) -> Option<Mapped> {
        // SAFETY: the caller's promise.
        unsafe { self.iommu.map(start, len, writable) }.ok().map(Mapped::Through)
    }
    fn help(&self) -> bool {
        let late = self.late.lock().unwrap().pop();
        if let Some((addr, record)) = late {
            let _ = self.iommu.complete(addr, &record);
        }
        false
    }
    fn is_alive(&self) -> bool {
        self.random() % 1000 != 0
    }
}

const PAGE: &[u8] = &[b'a'; 3000];

#[test]
fn whatever_a_device_answers_the_driver_ends_and_gives_no_more_than_there_is() {
    let turns = if cfg!(debug_assertions) { 30 } else { 300 };
    for seed in 1..turns {
        let driver = Arc::new(Driver::new(Topology::even(1, 1), Mapping::Nodes));
        driver.set_patience(50, Duration::ZERO);
        let mode = SyncMode::ALL[seed as usize % 3].1;
        driver.set_sync_mode(mode).unwrap();
        driver.set_verify(seed % 2 == 0).unwrap();
        let liar = Arc::new(Liar::new(seed));
        let queue: Arc<dyn Queue> = Arc::<Liar>::clone(&liar);
        driver.bind(queue).unwrap();
        let pool = Pool::new(1 << 20);
        for mode in [Mode::Fixed, Mode::Dynamic, Mode::Canned, Mode::ByN(4)] {
            let form = Form::new(&driver, mode, "test", &Params::default()).unwrap();
            for direction in [Direction::Compress, Direction::Decompress] {
                driver.revive();
                let source = Source::from(PAGE.to_vec());
                let mut guarded = [[0xa5u8; 4096 + 64]; 4];
                let mut outputs: Vec<Output> = guarded
                    .iter_mut()
                    .map(|room| {
                        // SAFETY: `guarded` outlives the outputs.
                        #[allow(unsafe_code)]
                        unsafe {
                            Output::fixed(&pool, room.as_mut_ptr(), 4096)
                        }
                    })
                    .chain((0..8).map(|_| Output::pooled(&pool)))
                    .collect();
                let call = |source| Call { direction, source, nonce: &[], ad: &EMPTY, tag: &[], max_output: 5000 };
                let mut jobs: Vec<Job<'_>> =
                    outputs.iter_mut().map(|output| Job { transform: &form, call: call(&source), output }).collect();
                let ended = form.run_many(&mut jobs);
                drop(jobs);
                for (outcome, output) in ended.iter().zip(&outputs) {
                    assert!(output.len() <= output.capacity());
                    assert!(outcome.is_err() || output.len() <= form.bound(PAGE.len()).max(5000));
                }
                drop(outputs);
                assert!(guarded.iter().all(|room| room[4096..].iter().all(|byte| *byte == 0xa5)));
            }
        }
        // Of the requests nothing is mapped any more: only the queue's own tables and records are.
        assert!(liar.iommu.num_mapped() < 10);
    }
}
