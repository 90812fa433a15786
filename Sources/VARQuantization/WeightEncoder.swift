import CVARKernels

/// Encodes units of 16 rows; one encoder per thread, since it owns scratch.
public final class WeightEncoder {
  public let format: WeightFormat
  private var codes: [UInt8]
  private var halves: [UInt16]
  private var scales: [Int8]
  private var superscales: [UInt16]

  public init(format: WeightFormat) {
    self.format = format
    codes = [UInt8](repeating: 0, count: format.precision.isInteger ? format.cols : 0)
    let isHalf = format.precision == .f16 || format.precision == .bf16
    halves = [UInt16](repeating: 0, count: isHalf ? format.cols : format.groupCount)
    scales = [Int8](repeating: 0, count: format.groupCount)
    superscales = [UInt16](repeating: 0, count: format.superblockCount)
  }

  /// Where a unit's streams go; each must hold `byteCounts` of the unit and is filled wholly.
  public struct Output {
    let codes: UnsafeMutableRawPointer
    let scales: UnsafeMutableRawPointer
    let superscales: UnsafeMutableRawPointer

    public init(
      codes: UnsafeMutableRawPointer, scales: UnsafeMutableRawPointer,
      superscales: UnsafeMutableRawPointer
    ) {
      self.codes = codes
      self.scales = scales
      self.superscales = superscales
    }
  }

  /// Encodes `rowCount` rows `x[rowCount][cols]`, 1...16.
  ///
  /// - Parameters:
  ///   - name: the weight, for errors.
  ///   - firstRow: index of the first row in the weight, for errors.
  /// - Throws: `notFinite` or `tooLarge`.
  public func encode(
    _ x: UnsafePointer<Float>, rowCount: Int, into output: Output, name: String, firstRow: Int
  ) throws(QuantizationError) -> WeightError {
    precondition((1...WeightFormat.unitRowCount).contains(rowCount), "1...16 rows")
    let counts = format.byteCounts(rowCount: rowCount)
    if format.layout == .tiles, rowCount < WeightFormat.unitRowCount {
      output.codes.initializeMemory(as: UInt8.self, repeating: 0, count: counts.codes)
      output.scales.initializeMemory(as: UInt8.self, repeating: 0, count: counts.scales)
      output.superscales.initializeMemory(as: UInt8.self, repeating: 0, count: counts.superscales)
    }
    let bad = cvar_first_not_finite(x, rowCount * format.cols)
    guard bad == rowCount * format.cols else {
      throw QuantizationError(
        .notFinite, name,
        "row \(firstRow + bad / format.cols), column \(bad % format.cols) is not a finite number; "
          + "the checkpoint is damaged, fetch it again")
    }
    var error = cvar_weight_error(squared_error: 0, squared_sum: 0)
    for row in 0..<rowCount {
      let status = encodeRow(x + row * format.cols, row, output, &error)
      guard status == CVAR_QUANTIZE_OK else {
        throw QuantizationError(
          .tooLarge, name,
          "row \(firstRow + row) holds a value beyond the range of \(format.precision.rawValue); "
            + "give this weight f32 in the recipe")
      }
    }
    return WeightError(squaredError: error.squared_error, squaredSum: error.squared_sum)
  }

  private func encodeRow(
    _ x: UnsafePointer<Float>, _ row: Int, _ output: Output, _ error: inout cvar_weight_error
  ) -> Int {
    let cols = Int32(format.cols)
    let group = Int32(format.groupSize)
    var status = Int32(CVAR_QUANTIZE_OK)
    switch format.precision {
    case .int4:
      status = cvar_quantize_row_int4(
        x, cols, group, format.codebook, &codes, &scales, &superscales, &error)
      placeInt4(row, output)
    case .int8:
      codes.withUnsafeMutableBytes { codes in
        let signed = codes.bindMemory(to: Int8.self).baseAddress!
        status = cvar_quantize_row_int8(x, cols, group, signed, &halves, &error)
        placeInt8(signed, row, output)
      }
    case .f16:
      status = cvar_round_row_f16(x, cols, &halves, &error)
      placeHalves(row, output)
    case .bf16:
      status = cvar_round_row_bf16(x, cols, &halves, &error)
      placeHalves(row, output)
    case .f32:
      let floats = output.codes.assumingMemoryBound(to: Float.self)
      if format.layout == .tiles {
        cvar_tile_row_4(x, cols, Int32(row), floats)
      } else {
        (floats + row * format.cols).update(from: x, count: format.cols)
      }
      for index in 0..<format.cols { error.squared_sum += Double(x[index]) * Double(x[index]) }
    }
    return Int(status)
  }

  private func placeInt4(_ row: Int, _ output: Output) {
    let cols = Int32(format.cols)
    let bytes = output.codes.assumingMemoryBound(to: UInt8.self)
    if format.layout == .tiles {
      cvar_tile_row_int4(codes, cols, Int32(row), bytes)
    } else {
      cvar_pack_row_int4(codes, cols, bytes + row * format.cols / 2)
    }
    let scaleBytes = output.scales.assumingMemoryBound(to: Int8.self)
    for index in 0..<format.groupCount {
      scaleBytes[slot(index, row, format.groupCount)] = scales[index]
    }
    let superBytes = output.superscales.assumingMemoryBound(to: UInt16.self)
    for index in 0..<format.superblockCount {
      superBytes[slot(index, row, format.superblockCount)] = superscales[index]
    }
  }

  private func placeInt8(_ signed: UnsafePointer<Int8>, _ row: Int, _ output: Output) {
    let bytes = output.codes.assumingMemoryBound(to: Int8.self)
    if format.layout == .tiles {
      cvar_tile_row_1(signed, Int32(format.cols), Int32(row), bytes)
    } else {
      (bytes + row * format.cols).update(from: signed, count: format.cols)
    }
    let scaleHalves = output.scales.assumingMemoryBound(to: UInt16.self)
    for index in 0..<format.groupCount {
      scaleHalves[slot(index, row, format.groupCount)] = halves[index]
    }
  }

  private func placeHalves(_ row: Int, _ output: Output) {
    let elements = output.codes.assumingMemoryBound(to: UInt16.self)
    if format.layout == .tiles {
      cvar_tile_row_2(halves, Int32(format.cols), Int32(row), elements)
    } else {
      halves.withUnsafeBufferPointer {
        (elements + row * format.cols).update(from: $0.baseAddress!, count: format.cols)
      }
    }
  }

  /// Position of a row's scale `index` of `count`: `[group][16]` in a tile, `[row][group]` in a table.
  private func slot(_ index: Int, _ row: Int, _ count: Int) -> Int {
    format.layout == .tiles ? index * WeightFormat.unitRowCount + row : row * count + index
  }
}
