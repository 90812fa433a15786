import VARLite
import VQ4Format

// The attachment, as `formats/attachments.md` has it.
extension Canaries {
  private static let magic: [UInt8] = Array("canary".utf8) + [1, 0x0A]
  private static let maximumTextByteCount = 64
  private static let maximumIDCount = 1 << 10
  private static let maximumScaleCount = 16
  private static let maximumOutputCount = 1 << 12
  private static let maximumColumns = 1 << 20

  package var bytes: [UInt8] {
    var encoder = ByteEncoder()
    encoder.append(Self.magic)
    encoder.append(text: converter)
    encoder.append(UInt32(ids.count))
    for id in ids { encoder.append(id) }
    encoder.append(patches)
    encoder.append(pixels)
    encoder.append(UInt32(bits.count))
    for scale in bits {
      encoder.append(UInt32(scale.count))
      encoder.append(scale)
    }
    encoder.append(UInt32(tensorHashes.count))
    for hash in tensorHashes { encoder.append(hash) }
    encoder.append(UInt32(outputs.count))
    for output in outputs {
      encoder.append(text: output.name)
      encoder.append(output.digest)
      encoder.append(output.error.bitPattern)
      encoder.append(output.values)
    }
    return encoder.bytes
  }

  /// - Throws: `VARLiteError` for anything that is not what `bytes` gives.
  package init(parsing bytes: [UInt8]) throws(VARLiteError) {
    let canaries = bytes.withUnsafeBytes { bytes in
      var decoder = ByteDecoder(bytes)
      return Self.read(&decoder)
    }
    guard let canaries else {
      throw VARLiteError(
        .model, "the canaries cannot be understood; update this program, or take them again")
    }
    self = canaries
  }

  private static func read(_ decoder: inout ByteDecoder) -> Canaries? {
    guard let magic = decoder.take(magic.count), magic == Self.magic,
      let converter = decoder.nextText(atMost: maximumTextByteCount),
      let idCount = decoder.nextCount(atMost: maximumIDCount, byteCount: 4)
    else { return nil }
    let ids: [Int32] = (0..<idCount).map { _ in decoder.next() }
    guard let patches = decoder.nextRows(columns: maximumColumns),
      let pixels = decoder.nextRows(columns: maximumColumns),
      let scaleCount = decoder.nextCount(atMost: maximumScaleCount, byteCount: 4)
    else { return nil }
    var bits: [[UInt8]] = []
    for _ in 0..<scaleCount {
      guard let count = decoder.nextCount(atMost: maximumColumns, byteCount: 1),
        let scale = decoder.take(count), scale.allSatisfy({ $0 <= 1 })
      else { return nil }
      bits.append(scale)
    }
    guard let tensorCount = decoder.nextCount(atMost: VQ4Limits.maximumTensors, byteCount: 8) else {
      return nil
    }
    let hashes: [UInt64] = (0..<tensorCount).map { _ in decoder.next() }
    guard let outputs = readOutputs(&decoder), decoder.remainingBytes == 0 else { return nil }
    return Canaries(
      converter: converter, ids: ids, patches: patches, pixels: pixels, bits: bits,
      tensorHashes: hashes, outputs: outputs)
  }

  private static func readOutputs(_ decoder: inout ByteDecoder) -> [Output]? {
    guard let count = decoder.nextCount(atMost: maximumOutputCount, byteCount: 1) else {
      return nil
    }
    var outputs: [Output] = []
    for _ in 0..<count {
      guard let name = decoder.nextText(atMost: maximumTextByteCount),
        decoder.remainingBytes >= 20
      else { return nil }
      let digest = decoder.nextHash()
      let error = Float(bitPattern: decoder.next())
      guard error >= 0, error.isFinite, let values = decoder.nextRows(columns: maximumColumns)
      else { return nil }
      outputs.append(Output(name: name, values: values, digest: digest, error: error))
    }
    return outputs
  }
}

extension ByteEncoder {
  fileprivate mutating func append(text: String) {
    append(UInt32(text.utf8.count))
    append(text.utf8)
  }

  /// Columns, number of rows, then for each row its power of two and its values.
  fileprivate mutating func append(_ rows: StoredRows) {
    append(UInt32(rows.columns))
    append(UInt32(rows.count))
    for (row, exponent) in rows.exponents.enumerated() {
      append(exponent)
      for half in rows.halves[row * rows.columns..<(row + 1) * rows.columns] { append(half) }
    }
  }
}

extension ByteDecoder {
  /// A count of things that take so many bytes each at least, which are there.
  fileprivate mutating func nextCount(atMost limit: Int, byteCount: Int) -> Int? {
    guard remainingBytes >= 4 else { return nil }
    let count = Int(next(UInt32.self))
    guard count <= limit, count <= remainingBytes / byteCount else { return nil }
    return count
  }

  fileprivate mutating func take(_ count: Int) -> [UInt8]? {
    guard count <= remainingBytes else { return nil }
    return (0..<count).map { _ in next() }
  }

  /// Printable ASCII.
  fileprivate mutating func nextText(atMost limit: Int) -> String? {
    guard let count = nextCount(atMost: limit, byteCount: 1), let bytes = take(count),
      bytes.allSatisfy({ (0x20...0x7E).contains($0) })
    else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  fileprivate mutating func nextRows(columns limit: Int) -> StoredRows? {
    guard remainingBytes >= 8 else { return nil }
    let (columns, count) = (Int(next(UInt32.self)), Int(next(UInt32.self)))
    guard (1...limit).contains(columns), count <= remainingBytes / (1 + 2 * columns) else {
      return nil
    }
    var exponents: [Int8] = []
    var halves: [UInt16] = []
    halves.reserveCapacity(count * columns)
    for _ in 0..<count {
      exponents.append(next())
      for _ in 0..<columns { halves.append(next()) }
    }
    let rows = StoredRows(columns: columns, exponents: exponents, halves: halves)
    guard rows.isFinite, exponents.allSatisfy(StoredRows.exponentRange.contains) else { return nil }
    return rows
  }
}
