/// A name in the string pool.
struct NameReference: Equatable {
  var offset: UInt32
  var length: UInt32
}

/// One row of the table "groups".
struct GroupRecord {
  var name: NameReference
  var firstTensor: UInt32
  var tensorCount: UInt32
  var offset: UInt64
  var byteCount: UInt64

  func encode(to encoder: inout ByteEncoder) {
    encoder.append(name.offset)
    encoder.append(name.length)
    encoder.append(firstTensor)
    encoder.append(tensorCount)
    encoder.append(offset)
    encoder.append(byteCount)
  }

  init(
    name: NameReference, firstTensor: UInt32, tensorCount: UInt32, offset: UInt64,
    byteCount: UInt64
  ) {
    self.name = name
    self.firstTensor = firstTensor
    self.tensorCount = tensorCount
    self.offset = offset
    self.byteCount = byteCount
  }

  init(_ decoder: inout ByteDecoder) {
    name = NameReference(offset: decoder.next(), length: decoder.next())
    firstTensor = decoder.next()
    tensorCount = decoder.next()
    offset = decoder.next()
    byteCount = decoder.next()
  }
}

/// One stream of a row of the table "tensors"; all zero where the tensor has no such stream.
struct StreamRecord: Equatable {
  var firstChunk: UInt32 = 0
  var chunkCount: UInt32 = 0
  var byteCount: UInt64 = 0
  var hash = VQ4Hash.zero

  func encode(to encoder: inout ByteEncoder) {
    encoder.append(firstChunk)
    encoder.append(chunkCount)
    encoder.append(byteCount)
    encoder.append(hash)
  }
}

/// One row of the table "tensors", as it stands in the file.
struct TensorRecord {
  var name: NameReference
  var elementType: UInt8
  var layout: UInt8
  var rank: UInt8
  var groupSize: UInt16
  var dimensions: [UInt32]
  var codebook: [Int8]
  /// Indexed by `VQ4StreamRole.rawValue`.
  var streams: [StreamRecord]

  init(_ description: VQ4TensorDescription, name: NameReference, streams: [StreamRecord]) {
    self.name = name
    elementType = description.elementType.rawValue
    layout = description.layout.rawValue
    rank = UInt8(description.shape.count)
    groupSize = UInt16(description.groupSize)
    dimensions = description.shape.map { UInt32($0) }
    dimensions += repeatElement(0, count: VQ4Limits.maximumRank - dimensions.count)
    codebook = description.codebook
    codebook += repeatElement(0, count: 16 - codebook.count)
    self.streams = streams
  }

  /// The bytes that say what the tensor is; a part of the content hash.
  func encodeDescription(to encoder: inout ByteEncoder) {
    encoder.append(elementType)
    encoder.append(layout)
    encoder.append(rank)
    encoder.append(UInt8(0))
    encoder.append(groupSize)
    encoder.append(UInt16(0))
    for dimension in dimensions { encoder.append(dimension) }
    encoder.append(codebook.map { UInt8(bitPattern: $0) })
  }

  func encode(to encoder: inout ByteEncoder) {
    encoder.append(name.offset)
    encoder.append(name.length)
    encodeDescription(to: &encoder)
    encoder.append([UInt8](repeating: 0, count: 12))
    for stream in streams { stream.encode(to: &encoder) }
  }

  init(_ decoder: inout ByteDecoder) throws(VQ4Error) {
    name = NameReference(offset: decoder.next(), length: decoder.next())
    elementType = decoder.next()
    layout = decoder.next()
    rank = decoder.next()
    try decoder.expectZeros(1)
    groupSize = decoder.next()
    try decoder.expectZeros(2)
    dimensions = []
    for _ in 0..<VQ4Limits.maximumRank { dimensions.append(decoder.next()) }
    codebook = []
    for _ in 0..<16 { codebook.append(decoder.next()) }
    try decoder.expectZeros(12)
    streams = []
    for _ in VQ4StreamRole.allCases {
      streams.append(
        StreamRecord(
          firstChunk: decoder.next(), chunkCount: decoder.next(), byteCount: decoder.next(),
          hash: decoder.nextHash()))
    }
  }

  /// The typed description, every rule on it checked.
  func description(named name: String) throws(VQ4Error) -> VQ4TensorDescription {
    guard let type = VQ4ElementType(rawValue: elementType) else {
      throw VQ4Error(
        .unknownElementType, "the element type is not known", found: "\(elementType)",
        remedy: .update)
    }
    guard let order = VQ4Layout(rawValue: layout) else {
      throw VQ4Error(
        .unknownLayout, "the layout is not known", found: "\(layout)", remedy: .update)
    }
    guard (1...VQ4Limits.maximumRank).contains(Int(rank)) else {
      throw VQ4Error(
        .badRank, "the number of axes is out of range", expected: "1 to 5", found: "\(rank)",
        remedy: .convertAgain)
    }
    guard dimensions[Int(rank)...].allSatisfy({ $0 == 0 }) else {
      throw VQ4Error(
        .reservedNotZero, "an axis beyond the rank is not zero", remedy: .convertAgain)
    }
    guard type == .int4 || codebook.allSatisfy({ $0 == 0 }) else {
      throw VQ4Error(
        .badCodebook, "a type without codebook has one", remedy: .convertAgain)
    }
    let description = VQ4TensorDescription(
      name: name, elementType: type, layout: order,
      shape: dimensions[..<Int(rank)].map { Int($0) }, groupSize: Int(groupSize)
    ).with(codebook: type == .int4 ? codebook : [])
    try description.validate()
    return description
  }
}

/// One row of the table "chunks".
struct ChunkRecord {
  var offset: UInt64
  var storedBytes: UInt32
  var rawBytes: UInt32
  var hash: UInt64
  var codec: UInt8

  init(offset: UInt64, storedBytes: UInt32, rawBytes: UInt32, hash: UInt64, codec: VQ4Codec) {
    self.offset = offset
    self.storedBytes = storedBytes
    self.rawBytes = rawBytes
    self.hash = hash
    self.codec = codec.rawValue
  }

  /// nil where the chunk is raw.
  var compressedCodec: VQ4Codec? {
    VQ4Codec(rawValue: codec).flatMap { $0 == .raw ? nil : $0 }
  }

  func encode(to encoder: inout ByteEncoder) {
    encoder.append(offset)
    encoder.append(storedBytes)
    encoder.append(rawBytes)
    encoder.append(hash)
    encoder.append(codec)
    encoder.append([UInt8](repeating: 0, count: 7))
  }

  init(_ decoder: inout ByteDecoder) throws(VQ4Error) {
    offset = decoder.next()
    storedBytes = decoder.next()
    rawBytes = decoder.next()
    hash = decoder.next()
    codec = decoder.next()
    try decoder.expectZeros(7)
  }
}

/// One row of the table "attachments".
struct AttachmentRecord {
  var name: NameReference
  var offset: UInt64
  var storedBytes: UInt64
  var rawBytes: UInt64
  var codec: UInt8
  var storedHash: VQ4Hash
  var rawHash: VQ4Hash

  init(_ attachment: VQ4Attachment, name: NameReference) {
    self.name = name
    offset = UInt64(attachment.fileRange.lowerBound)
    storedBytes = UInt64(attachment.fileRange.count)
    rawBytes = UInt64(attachment.byteCount)
    codec = attachment.codec.rawValue
    storedHash = attachment.storedHash
    rawHash = attachment.rawHash
  }

  func encode(to encoder: inout ByteEncoder) {
    encoder.append(name.offset)
    encoder.append(name.length)
    encoder.append(offset)
    encoder.append(storedBytes)
    encoder.append(rawBytes)
    encoder.append(codec)
    encoder.append([UInt8](repeating: 0, count: 7))
    encoder.append(storedHash)
    encoder.append(rawHash)
  }

  init(_ decoder: inout ByteDecoder) throws(VQ4Error) {
    name = NameReference(offset: decoder.next(), length: decoder.next())
    offset = decoder.next()
    storedBytes = decoder.next()
    rawBytes = decoder.next()
    codec = decoder.next()
    try decoder.expectZeros(7)
    storedHash = decoder.nextHash()
    rawHash = decoder.nextHash()
  }
}
