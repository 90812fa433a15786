import VARQuantization
import VQ4Format

/// What one record of a journal says.
enum JournalRecord {
  enum Kind: UInt8 {
    case identity = 1
    case finished = 2
    case open = 3
    case source = 4
  }

  /// What is converted, and how: JSON of `ConversionIdentity`.
  case identity(String)
  /// A tensor of the file is written.
  case finished(FinishedTensor)
  /// Some more chunks of a tensor are written.
  case open(OpenTensor)
  /// A tensor of the checkpoint that is not stored as it is was hashed.
  case source(SourcePieces)

  /// Row of the plan, codebook, error, state of the streams, and the hashes of the source.
  struct FinishedTensor {
    var rowIndex: Int
    var codebook: [Int8]
    var error: WeightError
    var state: VQ4TensorState
    var source: SourcePieces?
  }

  /// A part of a tensor: the chunks of codes from `firstChunk` on, the scales that belong to them, and what is true at
  /// their end: the error of all rows so far, and the hashes of all complete pieces of the source.
  struct OpenTensor {
    var rowIndex: Int
    var codebook: [Int8]
    var error: WeightError
    var firstChunk: Int
    var chunks: [VQ4StoredChunk]
    var scales: [UInt8]
    var superscales: [UInt8]
    var source: SourcePieces?
  }

  /// A tensor of the checkpoint and the hashes of its pieces.
  struct SourcePieces {
    var name: String
    var pieces: [VQ4Hash]
  }

  var kind: Kind {
    switch self {
    case .identity: .identity
    case .finished: .finished
    case .open: .open
    case .source: .source
    }
  }

  /// The bytes of the record.
  var content: [UInt8] {
    var encoder = ByteEncoder()
    switch self {
    case .identity(let text): encoder.append(text.utf8)
    case .finished(let tensor):
      encoder.append(UInt32(tensor.rowIndex))
      encoder.append(codebook: tensor.codebook)
      encoder.append(tensor.error)
      encoder.append(tensor.state)
      encoder.append(tensor.source)
    case .open(let tensor):
      encoder.append(UInt32(tensor.rowIndex))
      encoder.append(codebook: tensor.codebook)
      encoder.append(tensor.error)
      encoder.append(UInt32(tensor.firstChunk))
      encoder.append(tensor.chunks)
      for scales in [tensor.scales, tensor.superscales] {
        encoder.append(UInt32(scales.count))
        encoder.append(scales)
      }
      encoder.append(tensor.source)
    case .source(let source): encoder.append(source)
    }
    return encoder.bytes
  }

  /// Nil where the bytes are none of ours.
  init?(kind: UInt8, content: [UInt8]) {
    guard let kind = Kind(rawValue: kind) else { return nil }
    if kind == .identity {
      self = .identity(String(decoding: content, as: UTF8.self))
      return
    }
    let record = content.withUnsafeBytes { bytes -> JournalRecord? in
      var decoder = ByteDecoder(bytes)
      switch kind {
      case .identity: return nil
      case .finished: return FinishedTensor(&decoder).map { .finished($0) }
      case .open: return OpenTensor(&decoder).map { .open($0) }
      case .source: return decoder.nextSource().flatMap { $0 }.map { .source($0) }
      }
    }
    guard let record else { return nil }
    self = record
  }
}

extension JournalRecord.FinishedTensor {
  fileprivate init?(_ decoder: inout ByteDecoder) {
    guard let rowIndex = decoder.nextCount(), let codebook = decoder.nextCodebook(),
      let error = decoder.nextError(), let state = decoder.nextTensorState(),
      let source = decoder.nextSource()
    else { return nil }
    self.init(
      rowIndex: rowIndex, codebook: codebook, error: error, state: state, source: source)
  }
}

extension JournalRecord.OpenTensor {
  fileprivate init?(_ decoder: inout ByteDecoder) {
    guard let rowIndex = decoder.nextCount(), let codebook = decoder.nextCodebook(),
      let error = decoder.nextError(), let firstChunk = decoder.nextCount(),
      let chunks = decoder.nextStoredChunks(), let scales = decoder.nextBytes(),
      let superscales = decoder.nextBytes(), let source = decoder.nextSource()
    else { return nil }
    self.init(
      rowIndex: rowIndex, codebook: codebook, error: error, firstChunk: firstChunk,
      chunks: chunks, scales: scales, superscales: superscales, source: source)
  }
}

extension ByteEncoder {
  fileprivate mutating func append(codebook: [Int8]) {
    append(UInt32(codebook.count))
    append(codebook.map { UInt8(bitPattern: $0) })
  }

  fileprivate mutating func append(_ error: WeightError) {
    append(error.squaredError.bitPattern)
    append(error.squaredSum.bitPattern)
    append(UInt32(error.outputShifts.count))
    for shift in error.outputShifts { append(shift.bitPattern) }
  }

  fileprivate mutating func append(_ source: JournalRecord.SourcePieces?) {
    append(UInt32(source?.name.utf8.count ?? 0))
    append(source?.name.utf8.map { $0 } ?? [])
    append(UInt32(source?.pieces.count ?? 0))
    for piece in source?.pieces ?? [] { append(piece) }
  }
}

extension ByteDecoder {
  fileprivate mutating func nextCount() -> Int? {
    remainingBytes >= 4 ? Int(next(UInt32.self)) : nil
  }

  fileprivate mutating func nextBytes() -> [UInt8]? {
    guard let count = nextCount(), count <= remainingBytes else { return nil }
    return (0..<count).map { _ in next() }
  }

  fileprivate mutating func nextCodebook() -> [Int8]? {
    nextBytes().map { $0.map { Int8(bitPattern: $0) } }
  }

  fileprivate mutating func nextError() -> WeightError? {
    guard remainingBytes >= 16 else { return nil }
    var error = WeightError(
      squaredError: Double(bitPattern: next()), squaredSum: Double(bitPattern: next()))
    guard let count = nextCount(), count <= remainingBytes / 4 else { return nil }
    error.outputShifts = (0..<count).map { _ in Float(bitPattern: next()) }
    return error
  }

  /// The outer nil where the bytes end before, the inner one where there is no source.
  fileprivate mutating func nextSource() -> JournalRecord.SourcePieces?? {
    guard let name = nextBytes(), let count = nextCount(), count <= remainingBytes / 16 else {
      return nil
    }
    let pieces = (0..<count).map { _ in nextHash() }
    guard !name.isEmpty else { return .some(nil) }
    return JournalRecord.SourcePieces(name: String(decoding: name, as: UTF8.self), pieces: pieces)
  }
}
