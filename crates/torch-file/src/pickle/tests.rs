use super::*;

#[test]
fn every_name_but_those_of_tensors_is_refused_by_its_name() {
    // The output of `pickle.dumps` for an object whose `__reduce__` returns (os.system, ("true",)).
    let old = b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.";
    let new = b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.";
    for bytes in [&old[..], &new[..]] {
        let name = "posix.system".to_owned();
        assert_eq!(
            Pickle::read(bytes).unwrap_err(),
            PickleError::Global { name }
        );
    }
    for name in [
        "builtins.eval",
        "torch._utils._rebuild_device_tensor_from_numpy",
        "torch.load",
        "torch.FloatStorage.from_file",
    ] {
        let (module, last) = name.rsplit_once('.').unwrap();
        let bytes = format!("c{module}\n{last}\n.");
        let refusal = Pickle::read(bytes.as_bytes()).unwrap_err().to_string();
        assert!(refusal.contains(&format!("`{name}`")), "{refusal}");
    }
}

#[test]
fn operations_that_make_objects_in_other_ways_are_refused() {
    // INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, and GET as text.
    for code in [b'i', b'o', 0x81, 0x92, 0x82, b'g'] {
        let refusal = Pickle::read(&[0x80, 2, code, b'.']).unwrap_err();
        assert_eq!(refusal, PickleError::Operation { code, at: 2 });
    }
}

#[test]
fn no_damaged_pickle_breaks_the_reader() {
    // A dictionary with one tensor, as PyTorch writes it.
    let whole = b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x06tq\x07QK\x00K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.";
    let pickle = Pickle::read(whole).unwrap();
    let tensors = pickle.tensors().unwrap();
    assert_eq!((tensors[0].0, &tensors[0].1.shape[..]), ("w", &[2, 3][..]));
    assert_eq!(
        (tensors[0].1.storage.count, pickle.length),
        (6, whole.len())
    );
    for end in 0..whole.len() {
        assert!(Pickle::read(&whole[..end]).is_err());
    }
    // Tuples, lists and dictionaries that take values before an open mark.
    for taker in [&b"\x85"[..], b"\x86", b"\x87", b"a", b"s", b"R", b"Q", b"0"] {
        let bytes = [b"\x80\x02]NN(", taker, b"t."].concat();
        assert!(Pickle::read(&bytes).is_err(), "{taker:?}");
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = whole.to_vec();
            bytes[at] ^= flip;
            if let Ok(pickle) = Pickle::read(&bytes) {
                drop(pickle.tensors());
            }
        }
    }
}
