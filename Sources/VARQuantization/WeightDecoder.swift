import CVARKernels

/// Gives the values of stored rows, by the formulas of the format; for checks, not for speed.
package final class WeightDecoder {
  package let format: WeightFormat
  /// Of the codes that were decoded so far, those at an end of their range: the first or last entry of the codebook, or
  /// +-127. Where the scale is 0, and of floats, none counts.
  package private(set) var saturatedCount = 0
  private var codes: [UInt8]
  private var scales: [Int8]
  private var halves: [UInt16]
  private var superscales: [UInt16]

  package init(format: WeightFormat) {
    self.format = format
    codes = [UInt8](repeating: 0, count: format.cols)
    scales = [Int8](repeating: 0, count: format.groupCount)
    halves = [UInt16](repeating: 0, count: format.groupCount)
    superscales = [UInt16](repeating: 0, count: format.superblockCount)
  }

  /// Decodes `rowCount` rows of one unit into `x[rowCount][cols]`.
  ///
  /// The streams begin at the unit and hold `format.byteCounts(rowCount:)` bytes at least, at any alignment.
  package func decode(
    codes: UnsafeRawPointer, scales: UnsafeRawPointer?, superscales: UnsafeRawPointer?,
    rowCount: Int, into x: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rowCount {
      let target = x + row * format.cols
      switch format.precision {
      case .int4:
        decodeInt4(codes, scales!, superscales!, row, target)
        countSaturated(0, 15, target)
      case .int8:
        decodeInt8(codes, scales!, row, target)
        countSaturated(UInt8(bitPattern: -127), 127, target)
      case .f16, .bf16, .f32: decodeFloats(codes, row, target)
      }
    }
  }

  /// Counts the codes of a row that stand at an end.
  private func countSaturated(_ first: UInt8, _ last: UInt8, _ x: UnsafePointer<Float>) {
    for col in 0..<format.cols where codes[col] == first || codes[col] == last {
      if x[col] != 0 { saturatedCount += 1 }
    }
  }

  private func decodeInt4(
    _ stored: UnsafeRawPointer, _ storedScales: UnsafeRawPointer,
    _ storedSuperscales: UnsafeRawPointer, _ row: Int, _ x: UnsafeMutablePointer<Float>
  ) {
    let cols = Int32(format.cols)
    let bytes = stored.assumingMemoryBound(to: UInt8.self)
    if format.layout == .tiles {
      cvar_untile_row_int4(bytes, cols, Int32(row), &codes)
    } else {
      cvar_unpack_row_int4(bytes + row * format.cols / 2, cols, &codes)
    }
    for index in 0..<format.groupCount {
      scales[index] = storedScales.load(
        fromByteOffset: slot(index, row, format.groupCount), as: Int8.self)
    }
    for index in 0..<format.superblockCount {
      superscales[index] = storedSuperscales.loadUnaligned(
        fromByteOffset: 2 * slot(index, row, format.superblockCount), as: UInt16.self)
    }
    cvar_dequantize_row_int4(
      codes, scales, superscales, cols, Int32(format.groupSize), format.codebook, x)
  }

  private func decodeInt8(
    _ stored: UnsafeRawPointer, _ storedScales: UnsafeRawPointer, _ row: Int,
    _ x: UnsafeMutablePointer<Float>
  ) {
    let cols = Int32(format.cols)
    let bytes = stored.assumingMemoryBound(to: Int8.self)
    for index in 0..<format.groupCount {
      halves[index] = storedScales.loadUnaligned(
        fromByteOffset: 2 * slot(index, row, format.groupCount), as: UInt16.self)
    }
    codes.withUnsafeMutableBytes { codes in
      let signed = codes.bindMemory(to: Int8.self).baseAddress!
      if format.layout == .tiles {
        cvar_untile_row_1(bytes, cols, Int32(row), signed)
      } else {
        signed.update(from: bytes + row * format.cols, count: format.cols)
      }
      cvar_dequantize_row_int8(signed, halves, cols, Int32(format.groupSize), x)
    }
  }

  private func decodeFloats(
    _ stored: UnsafeRawPointer, _ row: Int, _ x: UnsafeMutablePointer<Float>
  ) {
    let isTiled = format.layout == .tiles
    for col in 0..<format.cols {
      let element = isTiled ? col * WeightFormat.unitRowCount + row : row * format.cols + col
      switch format.precision {
      case .f32: x[col] = stored.loadUnaligned(fromByteOffset: element * 4, as: Float.self)
      case .f16:
        x[col] = cvar_f32_from_f16(
          stored.loadUnaligned(fromByteOffset: element * 2, as: UInt16.self))
      default:
        x[col] = cvar_f32_from_bf16(
          stored.loadUnaligned(fromByteOffset: element * 2, as: UInt16.self))
      }
    }
  }

  private func slot(_ index: Int, _ row: Int, _ count: Int) -> Int {
    format.layout == .tiles ? index * WeightFormat.unitRowCount + row : row * count + index
  }
}
