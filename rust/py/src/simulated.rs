//! The simulated accelerator, made from what Python says of it.

use acrypto_core::engine::Engine;
use acrypto_core::engines::simulated::{Character, Identity, Real, Simulated};
use acrypto_core::status::Outcome;
use std::sync::Arc;

/// Fails with a usage error that names the knob and its limits.
pub fn simulated(
    name: String,
    priority: i32,
    algorithms: Option<Vec<String>>,
    seed: u64,
    knobs: Vec<(String, f64)>,
) -> Outcome<Arc<dyn Engine>> {
    let mut character = Character::default();
    knobs.iter().try_for_each(|(knob, value)| character.set(knob, *value))?;
    let identity = Identity { name, priority, algorithms };
    Ok(Arc::new(Simulated::new(identity, character, seed, Arc::new(Real::default()))?))
}
