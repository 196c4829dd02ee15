//! Throughline reads police incident narratives, recognises stalking in them
//! and shows the words that decided it.
