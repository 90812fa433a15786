extension VQ4File {
  /// A hash of a tensor: of its name, of what it is, and of the hashes of its streams. The same for every layout.
  package func tensorHash(_ tensor: Int) -> VQ4Hash {
    let entry = tensors[tensor]
    var encoder = ByteEncoder()
    encoder.append(UInt32(entry.name.utf8.count))
    encoder.append(entry.name.utf8)
    TensorRecord(entry.description, name: NameReference(offset: 0, length: 0), streams: [])
      .encodeDescription(to: &encoder)
    for stream in entry.streams { encoder.append(stream.hash) }
    return encoder.bytes.withUnsafeBytes { VQ4Hash(of: $0) }
  }
}
