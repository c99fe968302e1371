use super::job::{Carrier, Job};
use super::stop::Stop;
use super::target::Target;
use std::io;
use std::sync::Arc;
use std::time::Duration;
pub(super) struct Uring;
impl Uring {
    pub fn new(_: Arc<Target>, _: Arc<Stop>, _: usize) -> io::Result<Self> {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}
impl Carrier for Uring {
    fn submit(&mut self, _: Job) {}
    fn wait(&mut self, _: Duration) -> Option<Job> {
        None
    }
    fn in_flight(&self) -> usize {
        0
    }
    fn via(&self) -> &'static str {
        "uring"
    }
}
