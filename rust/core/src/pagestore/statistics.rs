//! What a page store counts, with the names that zswap (debugfs) and zram (mm_stat, bd_stat) have for it.

/// Counters since the store was opened.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    pub puts: u64,
    pub gets: u64,
    pub misses: u64,
    pub invalidates: u64,
    pub pool_limit_hit: u64,
    pub written_back_pages: u64,
    pub bd_reads: u64,
    pub writeback_failures: u64,
    pub reject_reclaim_fail: u64,
    pub reject_alloc_fail: u64,
    pub crypto_compress_fail: u64,
    pub decompress_fail: u64,
    pub damaged_pages: u64,
    pub superseded_pages: u64,
    pub huge_pages_since: u64,
    pub mem_used_max: u64,
}

/// What is there now.
#[derive(Debug, Default, Clone, Copy)]
pub struct Levels {
    /// Pages of all forms, wherever they are.
    pub stored: u64,
    pub same: u64,
    /// Kept as they are.
    pub raw: u64,
    /// In the file.
    pub out: u64,
    /// Bytes of what is kept of pages, in memory and in the file.
    pub packed_bytes: u64,
}

/// Names and values, in the order in which they are shown.
pub type Rows = Vec<(&'static str, u64)>;

pub fn rows(counters: &Counters, levels: &Levels, page: u64, pool: u64, free: u64, tables: u64, limit: u64) -> Rows {
    vec![
        ("stored_pages", levels.stored),
        ("same_filled_pages", levels.same),
        ("same_pages", levels.same),
        ("stored_incompressible_pages", levels.raw),
        ("huge_pages", levels.raw),
        ("huge_pages_since", counters.huge_pages_since),
        ("orig_data_size", levels.stored * page),
        ("compr_data_size", levels.packed_bytes),
        ("pool_total_size", pool),
        ("pool_free_size", free),
        ("table_size", tables),
        ("mem_used_total", pool + tables),
        ("mem_used_max", counters.mem_used_max),
        ("mem_limit", limit),
        ("bd_count", levels.out),
        ("bd_reads", counters.bd_reads),
        ("bd_writes", counters.written_back_pages),
        ("written_back_pages", counters.written_back_pages),
        ("writeback_failures", counters.writeback_failures),
        ("pool_limit_hit", counters.pool_limit_hit),
        ("reject_reclaim_fail", counters.reject_reclaim_fail),
        ("reject_alloc_fail", counters.reject_alloc_fail),
        ("crypto_compress_fail", counters.crypto_compress_fail),
        ("decompress_fail", counters.decompress_fail),
        ("damaged_pages", counters.damaged_pages),
        ("superseded_pages", counters.superseded_pages),
        ("puts", counters.puts),
        ("gets", counters.gets),
        ("misses", counters.misses),
        ("invalidates", counters.invalidates),
    ]
}
