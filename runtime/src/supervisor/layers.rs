//! Lists of layers, held once however many sessions use them.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::name::DiffId;

/// Layers from the lowest to the highest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LayerSet(Rc<Vec<DiffId>>);

impl LayerSet {
    /// The layers.
    pub(crate) fn as_slice(&self) -> &[DiffId] {
        &self.0
    }
}

impl Serialize for LayerSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LayerSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Rc::new(Vec::deserialize(deserializer)?)))
    }
}

/// The lists in use.
#[derive(Debug, Default)]
pub(crate) struct LayerSets(BTreeSet<LayerSet>);

impl LayerSets {
    /// The one list that equals `layers`.
    pub(crate) fn share(&mut self, layers: LayerSet) -> LayerSet {
        self.0.retain(|set| Rc::strong_count(&set.0) > 1);
        if let Some(known) = self.0.get(&layers) {
            return known.clone();
        }
        self.0.insert(layers.clone());
        layers
    }

    /// Whether an instance uses this layer.
    pub(crate) fn in_use(&self, layer: &DiffId) -> bool {
        self.0.iter().any(|set| Rc::strong_count(&set.0) > 1 && set.0.contains(layer))
    }
}

impl From<Vec<DiffId>> for LayerSet {
    fn from(layers: Vec<DiffId>) -> Self {
        Self(Rc::new(layers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_in_use_as_long_as_a_list_with_it() {
        let layer = DiffId::try_from("a".repeat(64)).unwrap();
        let mut sets = LayerSets::default();
        let one = sets.share(vec![layer.clone()].into());
        let other = sets.share(vec![layer.clone()].into());
        assert!(Rc::ptr_eq(&one.0, &other.0));
        drop(one);
        assert!(sets.in_use(&layer));
        drop(other);
        assert!(!sets.in_use(&layer));
    }
}
