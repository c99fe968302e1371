//! Which CPU uses which queues: pure arithmetic over the numbers of devices and queues.

use super::topology::Topology;

/// How many devices of one package, and queues of one device, the driver's tables have room for before they grow.
pub const MAX_PKG_IAA: usize = 8;
pub const MAX_IAA_WQ: usize = 8;

/// How CPUs are spread over devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// By counting CPUs through the nodes; a CPU uses all queues of its device, for either direction.
    Nodes,
    /// By package, as later versions of Linux's driver do.
    Packages {
        /// How many queues at the end of a device's list are for compression alone (`g_comp_wqs_per_iaa`).
        comp_wqs_per_iaa: usize,
        /// Every CPU of a package uses all of its devices to compress (`distribute_comps`).
        distribute_comps: bool,
        /// The same for decompression (`distribute_decomps`).
        distribute_decomps: bool,
    },
}

/// A queue: the place of its device in the list of devices, and its own in the device's list.
pub type Place = (usize, usize);

/// What one CPU uses: lists by their numbers in [`Plan::lists`], and where each starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub cpu: usize,
    pub compress: (usize, usize),
    pub decompress: (usize, usize),
}

/// What a rebalance comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// CPUs (cores, for packages) that share a device; at least 1.
    pub cpus_per_iaa: usize,
    /// CPUs whose turn came after the last device, so that they use the first.
    pub fell_back: Vec<usize>,
    pub(super) lists: Vec<Vec<Place>>,
    pub(super) entries: Vec<Entry>,
}

impl Plan {
    /// Spreads the CPUs of `topology` over devices, of which the i-th has `queues[i]` queues.
    ///
    /// Devices without queues count as devices; no devices give a plan without entries.
    pub fn new(topology: &Topology, queues: &[usize], mapping: Mapping) -> Self {
        let mut plan = Self { cpus_per_iaa: 1, fell_back: Vec::new(), lists: Vec::new(), entries: Vec::new() };
        if queues.is_empty() {
            return plan;
        }
        match mapping {
            Mapping::Nodes => plan.by_nodes(topology, queues),
            Mapping::Packages { comp_wqs_per_iaa, distribute_comps, distribute_decomps } => {
                let spread = (distribute_comps, distribute_decomps);
                plan.by_packages(topology, queues, comp_wqs_per_iaa, spread);
            }
        }
        plan
    }

    fn by_nodes(&mut self, topology: &Topology, queues: &[usize]) {
        let num_nodes = topology.nodes.len().max(1);
        let per_node = topology.num_cpus() / num_nodes;
        self.cpus_per_iaa = (num_nodes * per_node / queues.len()).max(1);
        self.lists = queues.iter().enumerate().map(|(device, num)| (0..*num).map(|q| (device, q)).collect()).collect();
        // The count goes on from node to node, so that the second node does not begin with the first device again.
        let mut turns = 0;
        for cpus in &topology.nodes {
            for (i, &cpu) in cpus.iter().enumerate() {
                if i % self.cpus_per_iaa == 0 {
                    turns += 1;
                }
                let device = match turns - 1 {
                    _ if queues.len() == 1 => 0,
                    device if device < queues.len() => device,
                    _ => {
                        self.fell_back.push(cpu);
                        0
                    }
                };
                // The cursor moves before it is read there, so a table of several queues starts with the second.
                let start = queues.get(device).map_or(0, |num| usize::from(*num > 1));
                self.entries.push(Entry { cpu, compress: (device, start), decompress: (device, start) });
            }
        }
    }

    fn by_packages(&mut self, topology: &Topology, queues: &[usize], only: usize, spread: (bool, bool)) {
        let num_packages = topology.packages.len().max(1);
        let num_cores: usize = topology.packages.iter().map(Vec::len).sum();
        let per_package = num_cores / num_packages;
        let devices = queues.len();
        self.cpus_per_iaa = (num_packages * per_package / devices).max(1);
        let iaa_per_package = (devices / num_packages).max(1);

        // Lists 2d and 2d + 1 are what device d compresses and decompresses with.
        for (device, &num) in queues.iter().enumerate() {
            let all: Vec<Place> = (0..num).map(|queue| (device, queue)).collect();
            let (decompress, compress) = match only {
                0 => (all.clone(), all),
                // Nobody could decompress if all were taken; then all do both.
                only if only >= num => (all.clone(), all),
                only => {
                    let (first, last) = all.split_at(num - only);
                    (first.to_vec(), last.to_vec())
                }
            };
            self.lists.extend([compress, decompress]);
        }
        // After them, two for each package: those of all its devices.
        let of_packages = self.lists.len();
        for package in 0..num_packages {
            let mine: Vec<usize> = match devices {
                1 => vec![0],
                _ => (package * iaa_per_package..(package + 1) * iaa_per_package).filter(|d| *d < devices).collect(),
            };
            for direction in 0..2 {
                let mut joint = Vec::with_capacity(MAX_PKG_IAA * MAX_IAA_WQ);
                for device in &mine {
                    joint.extend(self.lists.get(2 * device + direction).into_iter().flatten().copied());
                }
                self.lists.push(joint);
            }
        }
        for (package, cores) in topology.packages.iter().enumerate() {
            for (rank, cpus) in cores.iter().enumerate() {
                let own = package * iaa_per_package + rank / self.cpus_per_iaa;
                let own = own.min(devices - 1);
                let pick = |spread: bool, direction: usize| {
                    let joint = of_packages + 2 * package + direction;
                    match self.lists.get(joint) {
                        // Neighbouring cores start with different devices.
                        Some(list) if spread && !list.is_empty() => {
                            let start = list.len() / iaa_per_package * (own % iaa_per_package);
                            (joint, if start < list.len() { start } else { 0 })
                        }
                        _ => (2 * own + direction, 0),
                    }
                };
                let (compress, decompress) = (pick(spread.0, 0), pick(spread.1, 1));
                // A package without devices of its own is served by those of the others.
                let lacks = package * iaa_per_package >= devices && devices > 1;
                for &cpu in cpus {
                    self.entries.push(Entry { cpu, compress, decompress });
                    if lacks {
                        self.fell_back.push(cpu);
                    }
                }
            }
        }
        self.entries.sort_unstable_by_key(|entry| entry.cpu);
    }

    /// The queues that `cpu` uses in one direction, in their order; empty for a CPU that is not known.
    pub fn queues(&self, cpu: usize, compress: bool) -> &[Place] {
        let entry = self.entries.iter().find(|entry| entry.cpu == cpu);
        let list = entry.map(|entry| if compress { entry.compress.0 } else { entry.decompress.0 });
        list.and_then(|list| self.lists.get(list)).map_or(&[], Vec::as_slice)
    }
}
