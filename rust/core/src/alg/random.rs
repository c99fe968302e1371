//! Random bytes: `drbg`, AWS-LC's generator (CTR_DRBG of SP 800-90A, seeded by the system).

use super::*;
use crate::ffi::awslc;

pub static ALGORITHMS: &[Algorithm] =
    &[Algorithm { name: "drbg", kind: Kind::Random, driver: DRIVER, library: "aws-lc", insecure: false, compile }];

const DRIVER: &str = "drbg-awslc";

struct Drbg;

fn compile(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only("drbg", &[])?;
    Ok(Arc::new(Drbg))
}

/// The number of bytes that the call asks for.
fn wanted(call: &Call<'_>) -> Outcome<usize> {
    usize::try_from(call.max_output)
        .ok()
        .filter(|&wanted| isize::try_from(wanted).is_ok())
        .ok_or_else(|| Status::usage(format!("drbg cannot give {} bytes at once", call.max_output)))
}

impl Transform for Drbg {
    fn kind(&self) -> Kind {
        Kind::Random
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        DRIVER
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        if !call.source.is_empty() {
            return Err(Status::usage("drbg takes no source; it seeds itself"));
        }
        wanted(call).map(|_| ())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        wanted(call).unwrap_or(usize::MAX)
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        if call.direction != Direction::Generate {
            return Err(Status::usage(format!("drbg cannot {}", call.direction.name())));
        }
        let wanted = wanted(call)?;
        awslc::random(output.exactly(wanted)?)?;
        output.set_len(wanted);
        Ok(Facts::default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, run};
    use super::*;

    fn bytes(count: u64) -> Vec<u8> {
        run(&Drbg, Direction::Generate, b"", &Ask { max_output: count, ..PLAIN }).unwrap()
    }

    #[test]
    fn gives_as_many_as_asked() {
        for count in [0, 1, 31, 4096, 100_000] {
            assert_eq!(bytes(count).len() as u64, count);
        }
    }

    #[test]
    fn never_repeats() {
        assert_ne!(bytes(32), bytes(32));
        // 2^20 bits: six standard deviations are 3072 from the half.
        let ones: i64 = bytes(131_072).iter().map(|b| i64::from(b.count_ones())).sum();
        assert!((ones - (1 << 19)).abs() < 3072, "{ones}");
    }

    #[test]
    fn refuses_what_it_cannot_use() {
        let key = Params { key: Some(vec![1].into()), ..Params::default() };
        assert!(matches!(super::super::compile("drbg", &key), Err(Status::Usage(_))));
        let seeded = run(&Drbg, Direction::Generate, b"seed", &Ask { max_output: 1, ..PLAIN });
        assert!(matches!(seeded, Err(Status::Usage(_))));
    }
}
