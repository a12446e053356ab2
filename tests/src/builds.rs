//! Other builds of a provider, made of one that is there: sections are added behind its own, which change nothing of what it
//! does.

/// The same provider with another digest: a custom section says which it is.
pub fn variant(component: &[u8], number: u32) -> Vec<u8> {
    let name = b"variant";
    let mut content = leb128(name.len());
    content.extend(name);
    content.extend(number.to_le_bytes());
    section(component, 0, &content)
}

/// The same provider with a core module that nobody instantiates and that has to be compiled all the same: so many functions,
/// each of some 400 instructions.
pub fn heavy(component: &[u8], functions: usize) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // One type: no parameters, one result of i32.
    module = section(&module, 1, &[1, 0x60, 0, 1, 0x7f]);
    let mut types = leb128(functions);
    types.extend(std::iter::repeat_n(0, functions));
    module = section(&module, 3, &types);
    let mut bodies = leb128(functions);
    for number in 0..functions {
        // i32.const n, then again and again: i32.const k, i32.add or i32.xor; no locals.
        let mut body = vec![0, 0x41];
        body.extend(signed_leb128(number));
        for step in 0..200_usize {
            body.push(0x41);
            body.extend(signed_leb128(step * 7 + number));
            body.push(if step % 3 == 0 { 0x73 } else { 0x6a });
        }
        body.push(0x0b);
        bodies.extend(leb128(body.len()));
        bodies.extend(body);
    }
    module = section(&module, 10, &bodies);
    section(component, 1, &module)
}

/// A binary with one more section.
fn section(binary: &[u8], id: u8, content: &[u8]) -> Vec<u8> {
    [binary, &[id], &leb128(content.len()), content].concat()
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        bytes.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

/// Of a number that is not negative: its last byte must not look as if it were.
fn signed_leb128(number: usize) -> Vec<u8> {
    let mut bytes = leb128(number);
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}
