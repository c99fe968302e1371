//! Containers of parts without the device.

use super::by_n;
use crate::alg::{Call, Direction, Facts, Transform};
use crate::buffer::{Output, Source};
use crate::status::{Outcome, Status};

/// Runs each part through `canned`. Compression makes one part of it: whoever is here had no device for several, or a
/// message too short for them.
pub fn run(canned: &dyn Transform, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
    let mut scratch = Vec::new();
    let bytes = call.source.contiguous(&mut scratch);
    if call.direction == Direction::Compress {
        return output
            .behind(&1u32.to_ne_bytes(), |output| canned.run(call, output).map(drop))
            .map(|()| Facts::default());
    }
    let damaged = |_| Status::Corrupt { offset: 0, what: "invalid container of parts" };
    let bodies = by_n::parse(bytes).map_err(damaged)?;
    output.set_len(0);
    let mut part = output.sibling();
    for body in bodies.iter() {
        let source = Source::from(bytes.get(body).unwrap_or(&[]).to_vec());
        let left = call.max_output.saturating_sub(output.len() as u64);
        let run = canned.run(&Call { source: &source, max_output: left, ..*call }, &mut part);
        let done = run.and_then(|_| output.append(part.as_slice()));
        match done {
            Ok(()) => {}
            Err(Status::LimitExceeded { .. }) => {
                output.wipe(output.len());
                return Err(Status::LimitExceeded { limit: call.max_output });
            }
            Err(status) => {
                output.wipe(output.len());
                return Err(status);
            }
        }
    }
    Ok(Facts::default())
}
