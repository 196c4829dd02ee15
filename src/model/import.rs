//! Bringing in a base model.
