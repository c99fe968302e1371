//! Which CPUs there are, and how nodes and packages hold them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// More CPUs than any kernel has been built for; a longer list is a damaged file.
const MOST_CPUS: usize = 1 << 16;

/// The CPUs that are online. Numbers of CPUs may have holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The CPUs of each node that has some, ascending.
    pub(super) nodes: Vec<Vec<usize>>,
    /// The cores of each package: the CPUs of a core stand together.
    pub(super) packages: Vec<Vec<Vec<usize>>>,
}

impl Topology {
    /// The machine that we run on; one node with one CPU where nothing can be read.
    pub fn system() -> Self {
        Self::read(Path::new("/sys/devices/system"))
    }

    /// The machine that the tree under `root` describes, laid out as `/sys/devices/system` is.
    ///
    /// What is missing is made up plainly: without nodes all CPUs are one node, without packages a node is one, and
    /// without siblings a CPU is a core.
    pub fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let online = text("cpu/online").and_then(|list| parse_list(&list)).unwrap_or_default();
        let online = if online.is_empty() { vec![0] } else { online };

        let numbers = text("node/online").and_then(|list| parse_list(&list)).unwrap_or_default();
        let mut nodes: Vec<Vec<usize>> = Vec::new();
        for node in numbers {
            let mut cpus =
                text(&format!("node/node{node}/cpulist")).and_then(|list| parse_list(&list)).unwrap_or_default();
            cpus.retain(|cpu| online.contains(cpu) && !nodes.iter().any(|known| known.contains(cpu)));
            if !cpus.is_empty() {
                nodes.push(cpus);
            }
        }
        // A CPU that no node claims would have no queues at all.
        let stray: Vec<usize> =
            online.iter().copied().filter(|cpu| !nodes.iter().any(|node| node.contains(cpu))).collect();
        match nodes.first_mut() {
            Some(first) => first.extend(stray),
            None => nodes.push(stray),
        }
        nodes.iter_mut().for_each(|cpus| cpus.sort_unstable());

        // By package, then by the first CPU of the core.
        let mut packages: BTreeMap<usize, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        for (node, cpus) in nodes.iter().enumerate() {
            for &cpu in cpus {
                let fact = |name: &str| text(&format!("cpu/cpu{cpu}/topology/{name}"));
                let package =
                    fact("physical_package_id").and_then(|id| id.trim().parse::<usize>().ok()).unwrap_or(node);
                let siblings = fact("thread_siblings_list").and_then(|list| parse_list(&list)).unwrap_or_default();
                let first = siblings.into_iter().find(|cpu| online.contains(cpu)).unwrap_or(cpu);
                packages.entry(package).or_default().entry(first).or_default().push(cpu);
            }
        }
        let packages = packages.into_values().map(|cores| cores.into_values().collect()).collect();
        Self { nodes, packages }
    }

    /// `nodes` nodes, each a package of its own, that share `cpus` CPUs evenly; each CPU is a core.
    ///
    /// CPUs left over go to the last node. At least one of each.
    pub fn even(nodes: usize, cpus: usize) -> Self {
        let (nodes, cpus) = (nodes.max(1), cpus.clamp(1, MOST_CPUS));
        let per_node = (cpus / nodes).max(1);
        let mut all: Vec<Vec<usize>> = (0..nodes)
            .map(|node| (node * per_node..(node + 1) * per_node).filter(|cpu| *cpu < cpus).collect())
            .collect();
        all.retain(|node| !node.is_empty());
        if let Some(last) = all.last_mut() {
            last.extend(nodes * per_node..cpus);
        }
        let packages = all.iter().map(|node| node.iter().map(|cpu| vec![*cpu]).collect()).collect();
        Self { nodes: all, packages }
    }

    /// A server as the kernel numbers it: each package is a node, and the second threads of all cores come after the
    /// first threads of all.
    pub fn server(packages: usize, cores: usize, threads: usize) -> Self {
        let (packages, cores, threads) = (packages.max(1), cores.max(1), threads.max(1));
        let packages: Vec<Vec<Vec<usize>>> = (0..packages)
            .map(|package| {
                (package * cores..(package + 1) * cores)
                    .map(|core| (0..threads).map(|thread| core + thread * packages * cores).collect())
                    .collect()
            })
            .collect();
        let mut nodes: Vec<Vec<usize>> = packages.iter().map(|cores| cores.concat()).collect();
        nodes.iter_mut().for_each(|cpus| cpus.sort_unstable());
        Self { nodes, packages }
    }

    /// How many CPUs are online.
    pub fn num_cpus(&self) -> usize {
        self.nodes.iter().map(Vec::len).sum()
    }

    /// How many nodes have CPUs.
    pub fn num_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// One more than the highest number of a CPU.
    pub fn num_numbers(&self) -> usize {
        self.nodes.iter().flatten().max().map_or(1, |cpu| cpu + 1)
    }
}

/// The kernel's way to write a set of numbers ("0-3,8"), ascending; none if it is anything else.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        if first > last || last >= MOST_CPUS {
            return None;
        }
        numbers.extend(first..=last);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_read_as_the_kernel_writes_them() {
        assert_eq!(parse_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_list("\n"), Some(vec![]));
        for bad in ["x", "3-1", "1-", "-", "0-99999999", "18446744073709551616"] {
            assert_eq!(parse_list(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_machine_has_every_online_cpu_once() {
        let here = Topology::system();
        let mut nodes: Vec<usize> = here.nodes.concat();
        let mut packages: Vec<usize> = here.packages.concat().concat();
        nodes.sort_unstable();
        packages.sort_unstable();
        assert_eq!(nodes, packages);
        nodes.dedup();
        assert_eq!(nodes.len(), here.num_cpus());
    }

    #[test]
    fn nothing_to_read_is_one_cpu() {
        assert_eq!(Topology::read(Path::new("/nonexistent")), Topology::even(1, 1));
    }

    #[test]
    fn a_described_machine_reads_as_built() {
        let root = std::env::temp_dir().join(format!("acrypto-topology-{}", std::process::id()));
        let built = Topology::server(2, 2, 2);
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("cpu/online", "0-7\n");
        put("node/online", "0-2\n");
        put("node/node0/cpulist", "0-1,4-5\n");
        put("node/node1/cpulist", "2-3,6-7\n");
        put("node/node2/cpulist", "\n"); // memory without CPUs
        for cpu in 0..8 {
            put(&format!("cpu/cpu{cpu}/topology/physical_package_id"), &format!("{}\n", cpu % 4 / 2));
            put(&format!("cpu/cpu{cpu}/topology/thread_siblings_list"), &format!("{},{}\n", cpu % 4, cpu % 4 + 4));
        }
        let read = Topology::read(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(read, built);
    }
}
