//! Builds the C++ shim against LibTorch's headers and writes LibTorch's folder into the worker, so that it is found at run time.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::path::PathBuf;

fn main() {
    let sources = ["shim", "linear", "attention", "lazy_adam"]
        .map(|name| format!("src/torch_ext/{name}.cpp"));
    for source in &sources {
        println!("cargo:rerun-if-changed={source}");
    }
    let library = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("tch names its library folder");
    let library = std::fs::canonicalize(&library).unwrap_or_else(|_| PathBuf::from(library));
    let include = library.with_file_name("include");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .flag_if_supported("-Wno-unused-parameter")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(sources)
        .compile("allround_shim");
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", library.display());
    println!("cargo:libtorch={}", library.display());
}
