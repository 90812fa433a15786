/// Bytes of a file.
struct FilePart: Sendable {
  let file: InputFile
  let range: Range<Int>

  init(_ file: InputFile, _ range: Range<Int>) {
    self.file = file
    self.range = range
  }
}

/// A tensor in a shard: row-major, little-endian.
package struct CheckpointTensor: Sendable {
  package private(set) var name: String
  package let elementType: CheckpointElementType
  /// The type as the file calls it, for example `BF16` or `FloatStorage`.
  package let typeName: String
  package let shape: [Int]
  /// Where its bytes lie.
  private let place: FilePart
  /// What adapters add to it, in this order.
  var updates: [LowRankUpdate] = []

  init(
    name: String, elementType: CheckpointElementType, typeName: String, shape: [Int],
    at place: FilePart
  ) {
    self.name = name
    self.elementType = elementType
    self.typeName = typeName
    self.shape = shape
    self.place = place
  }

  var file: InputFile { place.file }
  var offsetBytes: Int { place.range.lowerBound }
  /// Bytes in the shard.
  package var byteCount: Int { place.range.count }

  /// The shard that holds the tensor.
  package var path: String { file.path }
  package var elementCount: Int { shape.reduce(1, *) }

  /// Where the tensor's bytes lie in the shard.
  package var fileRange: Range<Int> { place.range }
  /// How many adapters add something to the tensor.
  package var updateCount: Int { updates.count }

  /// The same tensor under another name.
  package func renamed(_ name: String) -> CheckpointTensor {
    var tensor = self
    tensor.name = name
    return tensor
  }

  /// Fills `output` with the tensor's bytes from `first` on, as they stand in the shard.
  ///
  /// The range must lie inside the tensor. Throws `unreadable` or `changed`, with the tensor's name.
  package func readBytes(
    from first: Int, into output: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    precondition(first >= 0 && output.count <= byteCount - first, "range outside the tensor")
    do {
      try file.read(from: offsetBytes + first, into: output)
    } catch {
      throw CheckpointError(error.code, path: error.path, tensor: name, error.detail)
    }
  }

  /// Converts the elements from `first` on to f32, adds what adapters add, and fills `output` with them.
  ///
  /// The range must lie inside the tensor, and the tensor must hold floats. The range of a tensor with updates must
  /// begin and end with a row; `TensorRows` reads many of them faster. Throws as `readBytes`, and `notFinite`.
  package func read(
    from first: Int, into output: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    guard let target = output.baseAddress, !updates.isEmpty else {
      return try readBase(from: first, into: output)
    }
    let rows = try TensorRows(self)
    precondition(first % rows.cols == 0 && output.count % rows.cols == 0, "no whole rows")
    try rows.read(firstRow: first / rows.cols, rowCount: output.count / rows.cols, into: target)
  }

  /// The same without what adapters add.
  func readBase(
    from first: Int, into output: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    precondition(first >= 0 && output.count <= elementCount - first, "range outside the tensor")
    guard let target = output.baseAddress, output.count > 0 else { return }
    let width = elementType.byteCount
    let step = min(output.count, Self.pieceByteCount / width)
    let memory = try file.memory(step * width)
    defer { withExtendedLifetime(memory) {} }
    let buffer = memory.bytes
    for start in stride(from: 0, to: output.count, by: step) {
      let count = min(step, output.count - start)
      try readBytes(
        from: (first + start) * width,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * width)]))
      elementType.convert(buffer.baseAddress!, count: count, into: target + start)
    }
  }

  /// The elements as f32.
  package func floats() throws(CheckpointError) -> [Float] {
    try floats(from: 0, count: elementCount)
  }

  /// `count` elements from `first` on as f32.
  func floats(from first: Int, count: Int) throws(CheckpointError) -> [Float] {
    try file.requireMemory(count * MemoryLayout<Float>.size)
    var values = [Float](repeating: 0, count: count)
    var failure: CheckpointError?
    values.withUnsafeMutableBufferPointer { values in
      do throws(CheckpointError) {
        try read(from: first, into: values)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  /// Asks the system to read `count` bytes from `first` on ahead of their use; less where the tensor ends.
  package func prefetchBytes(from first: Int, count: Int) {
    let part = (first..<first + count).clamped(to: 0..<byteCount)
    if !part.isEmpty { file.prefetch(from: offsetBytes + part.lowerBound, count: part.count) }
  }

  /// Tells the system that `count` bytes from `first` on need not stay in its memory; they are read again when needed.
  package func discardBytes(from first: Int, count: Int) {
    let part = (first..<first + count).clamped(to: 0..<byteCount)
    if !part.isEmpty { file.discard(from: offsetBytes + part.lowerBound, count: part.count) }
  }

  /// Throws `changed` where the shard is not what it was when it was opened, as its size and time tell.
  package func checkUnchanged() throws(CheckpointError) { try file.checkUnchanged() }

  /// Bytes of one read while elements are converted.
  private static let pieceByteCount = 1 << 18
}
