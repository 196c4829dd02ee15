//! What a model stands beside: rules of a domain reader, a bag of words, and
//! the encoder before any training. Each is a [`super::Scorer`].

pub mod frozen;
pub mod keywords;
pub mod linear;
pub mod tfidf;

pub use frozen::Frozen;
pub use keywords::Keywords;
pub use tfidf::TfIdf;
