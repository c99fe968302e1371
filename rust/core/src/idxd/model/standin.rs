//! A stand-in for the operations until they are here: NOOP, DRAIN and MEMMOVE.

use crate::idxd::space::{Fault, FaultKind, Space};
use crate::idxd::wire::{Completion, Descriptor, opcode, status};

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_transfer: u64,
    pub header_gen: bool,
    pub aecs_format2: bool,
    pub block_on_fault: bool,
}

pub fn execute(descriptor: &Descriptor, space: &dyn Space, limits: &Limits) -> Completion {
    if descriptor.pasid_priv & Descriptor::RESERVED != 0 {
        return Completion::of(status::NONZERO_RESERVED);
    }
    match descriptor.opcode() {
        opcode::NOOP | opcode::DRAIN => Completion::of(status::SUCCESS),
        opcode::MEMMOVE => {
            if u64::from(descriptor.src1_size) > limits.max_transfer {
                return Completion::of(status::INVALID_SIZE);
            }
            copy(descriptor, space).unwrap_or_else(|fault| faulted(&fault))
        }
        _ => Completion::of(status::BAD_OPCODE),
    }
}

fn copy(descriptor: &Descriptor, space: &dyn Space) -> Result<Completion, Fault> {
    let len = descriptor.src1_size as usize;
    let source = space.read(descriptor.src1_addr, len)?;
    space.write(descriptor.dst_addr, len)?.copy_from(&source);
    Ok(Completion { bytes_completed: descriptor.src1_size, ..Completion::of(status::SUCCESS) })
}

fn faulted(fault: &Fault) -> Completion {
    let kind = if fault.kind == FaultKind::NotPresent { status::PAGE_FAULT } else { status::TRANSLATION_FAILURE };
    let write = if fault.is_write { status::WRITE } else { 0 };
    Completion { fault_addr: fault.addr, ..Completion::of(kind | write) }
}
