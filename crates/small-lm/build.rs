//! Writes LibTorch's folder into the tests, so that it is found at run time.

#![allow(clippy::disallowed_macros)]

fn main() {
    let library = std::env::var("DEP_ALLROUND_SHIM_LIBTORCH")
        .expect("allround-worker names its library folder");
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{library}");
}
