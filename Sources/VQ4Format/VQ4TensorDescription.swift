/// What a tensor is: its name, type, order of elements and logical shape.
package struct VQ4TensorDescription: Sendable, Equatable {
  /// Unique in its file; printable ASCII.
  package let name: String
  /// How an element is stored.
  package let elementType: VQ4ElementType
  /// The order of the elements.
  package let layout: VQ4Layout
  /// Logical shape, 1...5 axes. Tiles and tables are `[rows, cols]`; a convolution in tiles is
  /// `[out, kh, kw, in]`, with `cols` the product of the last three.
  package let shape: [Int]
  /// Inputs that share a scale; 0 for floats.
  package let groupSize: Int
  /// The 16 values of an `int4` code, -127...127; empty for the other types.
  package private(set) var codebook: [Int8] = []

  package init(
    name: String, elementType: VQ4ElementType, layout: VQ4Layout, shape: [Int],
    groupSize: Int = 0
  ) {
    self.name = name
    self.elementType = elementType
    self.layout = layout
    self.shape = shape
    self.groupSize = groupSize
  }

  /// The same tensor with a codebook.
  package func with(codebook: [Int8]) -> VQ4TensorDescription {
    var description = self
    description.codebook = codebook
    return description
  }

  /// Outputs of a matrix; 1 for a vector.
  package var rows: Int { layout == .vector ? 1 : shape[0] }

  /// Inputs of a matrix; all elements for a vector.
  package var cols: Int {
    layout == .vector ? elementCount : shape.dropFirst().reduce(1, *)
  }

  /// Elements of the logical shape.
  package var elementCount: Int { shape.reduce(1, *) }

  /// Bytes of a decoded stream; 0 where the type has no such stream.
  package func byteCount(of role: VQ4StreamRole) -> Int {
    switch layout {
    case .vector: byteCount(of: role, rows: 1)
    case .table: byteCount(of: role, rows: rows)
    case .tiles:
      byteCount(of: role, rows: (rows + Self.tileRows - 1) / Self.tileRows * Self.tileRows)
    }
  }

  /// Bytes of the smallest piece of a stream that a chunk may hold: a tile, a row or an element.
  package func unitByteCount(of role: VQ4StreamRole) -> Int {
    switch layout {
    case .vector: role == .codes ? elementType.bitCount / 8 : 0
    case .table: byteCount(of: role, rows: 1)
    case .tiles: byteCount(of: role, rows: Self.tileRows)
    }
  }

  /// Decoded bytes of every chunk of a stream but the last one; 0 where there is no such stream.
  package func chunkByteCount(of role: VQ4StreamRole) -> Int {
    let unit = unitByteCount(of: role)
    return unit == 0 ? 0 : max(unit, VQ4Limits.chunkBytes / unit * unit)
  }

  /// Chunks of a stream.
  package func chunkCount(of role: VQ4StreamRole) -> Int {
    let chunk = chunkByteCount(of: role)
    return chunk == 0 ? 0 : (byteCount(of: role) + chunk - 1) / chunk
  }

  /// The codec of a stream's chunks where the writer compresses them.
  package func compressedCodec(of role: VQ4StreamRole) -> VQ4Codec {
    switch (role, elementType) {
    case (.codes, .f16), (.codes, .bf16), (.scales, .int8), (.superscales, .int4): .zstdPlanes
    default: .zstd
    }
  }

  /// Decoded bytes of all streams.
  package var byteCount: Int { VQ4StreamRole.allCases.reduce(0) { $0 + byteCount(of: $1) } }

  /// Rows of a tile.
  package static let tileRows = 16
  /// Inputs that share a superscale.
  package static let superblockCols = 256

  private func byteCount(of role: VQ4StreamRole, rows: Int) -> Int {
    switch (role, elementType) {
    case (.codes, _): rows * cols * elementType.bitCount / 8
    case (.scales, .int8): rows * (cols / groupSize) * 2
    case (.scales, .int4): rows * (cols / groupSize)
    case (.superscales, .int4):
      rows * ((cols + Self.superblockCols - 1) / Self.superblockCols) * 2
    default: 0
    }
  }
}

extension VQ4TensorDescription {
  /// Checks every rule on a description; the sizes above may be asked only after it.
  func validate() throws(VQ4Error) {
    do {
      try Names.check(name)
      try validateShape()
      try validateGroups()
    } catch {
      throw error.at("tensor \"\(name)\"")
    }
  }

  private func validateShape() throws(VQ4Error) {
    let ranks = layout == .vector ? 1...5 : layout == .table ? 2...2 : 2...5
    guard ranks.contains(shape.count) else {
      throw VQ4Error(
        .badRank, "the number of axes does not fit the layout",
        expected: "\(ranks.lowerBound) to \(ranks.upperBound)", found: "\(shape.count)",
        remedy: .convertAgain)
    }
    for dimension in shape where !(1...VQ4Limits.maximumDimension).contains(dimension) {
      throw VQ4Error(
        .badDimension, "an axis has a length out of range",
        expected: "1 to \(VQ4Limits.maximumDimension)", found: "\(dimension)",
        remedy: .convertAgain)
    }
    var elements = 1
    for dimension in shape {
      let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
      guard !overflow, product <= VQ4Limits.maximumElements else {
        throw VQ4Error(
          .shapeOverflow, "more elements than the format allows",
          expected: "at most \(VQ4Limits.maximumElements)", remedy: .convertAgain)
      }
      elements = product
    }
    guard layout == .vector || cols <= VQ4Limits.maximumCols else {
      throw VQ4Error(
        .shapeOverflow, "more inputs in a row than the format allows",
        expected: "at most \(VQ4Limits.maximumCols)", found: "\(cols)", remedy: .convertAgain)
    }
  }

  private func validateGroups() throws(VQ4Error) {
    guard layout != .vector || !elementType.isQuantized else {
      throw VQ4Error(
        .typeForLayout, "a vector cannot hold quantized codes", found: "\(elementType)",
        remedy: .convertAgain)
    }
    if elementType.isQuantized {
      guard elementType.groupSizes.contains(groupSize), cols % groupSize == 0 else {
        throw VQ4Error(
          .badGroupSize, "the group size is not allowed or does not divide \(cols) inputs",
          expected: elementType.groupSizes.map(String.init).joined(separator: ", "),
          found: "\(groupSize)", remedy: .convertAgain)
      }
    } else if groupSize != 0 {
      throw VQ4Error(
        .badGroupSize, "a float tensor has no groups", expected: "0", found: "\(groupSize)",
        remedy: .convertAgain)
    }
    let needed = elementType == .int4 ? 16 : 0
    guard codebook.count == needed, !codebook.contains(-128) else {
      throw VQ4Error(
        .badCodebook, "the codebook is not allowed",
        expected: needed == 0 ? "none" : "16 values of -127 to 127",
        found: codebook.map(String.init).joined(separator: " "), remedy: .convertAgain)
    }
  }
}

/// Rules on the names of groups, tensors and attachments.
enum Names {
  static func check(_ name: String) throws(VQ4Error) {
    let bytes = Array(name.utf8)
    guard (1...VQ4Limits.maximumNameBytes).contains(bytes.count), bytes.allSatisfy(isAllowed) else {
      throw VQ4Error(
        .invalidName, "a name is not 1 to 255 printable ASCII characters", remedy: .convertAgain)
    }
  }

  /// Printable ASCII without the space, the quotation mark and the backslash, so that names can be
  /// printed as they are.
  static func isAllowed(_ byte: UInt8) -> Bool {
    (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }
}
