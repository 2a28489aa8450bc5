//! Compiles protos to a descriptor set, with as much of protoc's command line as prost-build uses.
#![forbid(unsafe_code)]

use std::{env, error::Error, fs, path::PathBuf};

use protox::Compiler;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut files, mut includes) = (Vec::<PathBuf>::new(), Vec::<PathBuf>::new());
    let (mut output, mut imports, mut comments) = (None, false, false);
    let mut arguments = env::args();
    arguments.next();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} has no value"));
        match argument.as_str() {
            "--include_imports" => imports = true,
            "--include_source_info" => comments = true,
            "-I" => includes.push(value()?.into()),
            "-o" => output = Some(value()?),
            option if option.starts_with('-') => {
                return Err(format!("{option} is no option of this protoc").into());
            }
            file => files.push(file.into()),
        }
    }
    let output = output.ok_or("-o FILE is missing")?;
    let mut compiler = Compiler::new(includes)?;
    compiler
        .include_imports(imports)
        .include_source_info(comments)
        .open_files(files)?;
    fs::write(output, compiler.encode_file_descriptor_set())?;
    Ok(())
}
