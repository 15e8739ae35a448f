//! Writes LibTorch's folder into the tests, so that it is found at run time.

fn main() {
    let library = std::env::var("DEP_ALLROUND_SHIM_LIBTORCH").unwrap_or_default();
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{library}");
}
