//! Compiles the messages and services with protox: no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 9] = [
    "cattery/v1/token.proto",
    "cattery/v1/sealed.proto",
    "cattery/v1/enrollment.proto",
    "cattery/v1/keys.proto",
    "cattery/v1/unseal.proto",
    "cattery/v1/agent.proto",
    "cattery/v1/admin.proto",
    "cattery/v1/third_party.proto",
    "envoy/service/auth/v3/external_auth.proto",
];

/// Messages that bear a secret, or hold one that does: they get no `Debug`.
const SECRET: [&str; 10] = [
    "UserKey",
    "SignedToken",
    "PortableCredential",
    "EnrollRequest",
    "UnsealRequest",
    "VerifyRequest",
    "MintResponse",
    "UseOnceRequest",
    "DischargeResponse",
    "SignDischargeResponse",
];

fn main() -> Result<(), Box<dyn Error>> {
    for folder in ["cattery", "envoy", "google"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    for name in SECRET {
        let mut messages = descriptors.file.iter().flat_map(|file| &file.message_type);
        if !messages.any(|message| message.name() == name) {
            return Err(format!("no message is called {name}: mend the list SECRET").into());
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    config.skip_debug(SECRET.map(|name| format!(".cattery.v1.{name}")));
    config.skip_debug([".envoy"]); // a request's headers have its token
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
