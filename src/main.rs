//! The `throughline` program: parses, runs, and turns the outcome into an exit
//! status. All else is in the library.

/// The system's allocator gives large blocks back at once and faults them in
/// again page by page; a pass allocates hundreds of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    throughline::cli::main().into()
}
